"""The parts of the contract of `ports.cases.CaseRepository`."""
