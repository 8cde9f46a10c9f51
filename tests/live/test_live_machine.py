"""The state machine of a live migration between stores in memory."""

from tests.live.machine import LiveMachine
from tests.stateful.profiles import MACHINE_SETTINGS

TestLiveMigration = LiveMachine.TestCase
TestLiveMigration.settings = MACHINE_SETTINGS
