"""What a single command cannot do atomically, on one key each.

Errors are caught and returned as they are, because a server puts words of its own before those that a script raises.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final


class Script:
    """A text in Lua, with the name under which a server remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


SWAP: Final = Script("""
-- KEYS[1]; ARGV: the expected value; the new one, if the key shall not be deleted; its life in milliseconds, if any
local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then return stored end
if stored ~= ARGV[1] then return 0 end
local done
if #ARGV == 1 then
  done = redis.pcall('UNLINK', KEYS[1])
elseif #ARGV == 2 then
  done = redis.pcall('SET', KEYS[1], ARGV[2])
else
  done = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if type(done) == 'table' and done.err then return done end
return 1
""")
"""1 if the stored value was the expected one, else 0."""

INCREMENT: Final = Script("""
-- KEYS[1]; ARGV: the number to add, the life in milliseconds of a key that is missing
if redis.call('EXISTS', KEYS[1]) == 0 then
  local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if done.err then return done end
  return ARGV[1]
end
local done = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(done) == 'table' then return done end
-- What INCRBY returns has become a floating-point number here.
return redis.call('GET', KEYS[1])
""")
"""The sum, in digits."""
