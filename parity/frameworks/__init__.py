"""Load a framework, run a variant on a case, and observe outputs and gradients."""

from __future__ import annotations

from parity.frameworks.loading import COMPILED as COMPILED
from parity.frameworks.loading import CPU as CPU
from parity.frameworks.loading import DEVICES as DEVICES
from parity.frameworks.loading import EXPORTED as EXPORTED
from parity.frameworks.loading import EXTRAS as EXTRAS
from parity.frameworks.loading import FRAMEWORKS as FRAMEWORKS
from parity.frameworks.loading import MODES as MODES
from parity.frameworks.loading import WITH_REFERENCE as WITH_REFERENCE
from parity.frameworks.loading import DeviceSettings as DeviceSettings
from parity.frameworks.loading import clear_graphs as clear_graphs
from parity.frameworks.loading import cores as cores
from parity.frameworks.loading import device_of as device_of
from parity.frameworks.loading import environment as environment
from parity.frameworks.loading import has_gpu as has_gpu
from parity.frameworks.loading import is_absent as is_absent
from parity.frameworks.loading import lacks as lacks
from parity.frameworks.loading import limit_threads as limit_threads
from parity.frameworks.loading import missing as missing
from parity.frameworks.loading import require as require
from parity.frameworks.loading import runtime as runtime
from parity.frameworks.loading import unavailable as unavailable
from parity.frameworks.running import Call as Call
from parity.frameworks.running import arrays_of as arrays_of
from parity.frameworks.running import bind as bind
from parity.frameworks.running import cached_run as cached_run
from parity.frameworks.running import call as call
from parity.frameworks.running import observe as observe
from parity.frameworks.running import release as release
from parity.frameworks.running import resident as resident
from parity.frameworks.running import run as run
from parity.frameworks.running import run_once as run_once
from parity.frameworks.running import run_reference as run_reference
from parity.frameworks.running import run_reference_second as run_reference_second
from parity.frameworks.running import run_second as run_second
