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

LOOK: Final = Script("""
-- KEYS[1]
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then return value end
local expiry = redis.pcall('PEXPIRETIME', KEYS[1])
if type(expiry) == 'number' then return {value, expiry} end
-- Redis 6 tells how much time is left, but not from when: that is known if its clock says the same before and after.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
while true do
  local before = now()
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then return {value, left} end
  if now() == before then return {value, before + left} end
end
""")
"""The value, with the last millisecond in which the server has it, or -1; nothing if there is no value."""

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
