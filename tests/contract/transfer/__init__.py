"""The optional abilities to be moved, copied and compared, for every port."""
