"""NVIDIA cards: what the driver and TensorFlow say about them, what is wrong, and what to do. Imports no TensorFlow.

The driver is asked through NVML (nvidia-ml-py). `read_facts` collects facts, `diagnose` is a pure function of them.
"""

import ctypes
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Version = tuple[int, int]

GIB = 2**30
LEAST_FREE_BYTES = GIB
"""Free memory below which a card is not used. TensorFlow itself sets aside 225 MiB of a card with less than 2 GiB, and
500 to 1,800 MiB of a larger one, for the CUDA context and libraries (`MinSystemMemory` in its gpu_device.cc)."""

DATA_SHARE, UNKNOWN_DATA_BYTES = 0.25, 2**28
"""Share of a card's memory that the images of a training may take, and their size if that is unknown."""

OLDEST_DRIVER = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""Major version of CUDA -> oldest driver for it on Linux. Table 2 of NVIDIA's CUDA release notes."""

LIBRARIES = {
    "libcudart.so.12": "cuda_runtime",
    "libcublas.so.12": "cublas",
    "libcublasLt.so.12": "cublas",
    "libcufft.so.11": "cufft",
    "libcusolver.so.11": "cusolver",
    "libcusparse.so.12": "cusparse",
    "libcudnn.so.9": "cudnn",
}
"""Library -> its folder in the package `nvidia`. TensorFlow 2.21 uses no GPU unless it can load all of them."""

NOT_SEARCHED = ("libcusolver.so.11",)
"""Libraries that TensorFlow 2.21 does not search in the package `nvidia`: the folder is missing in the run path of
libtensorflow_framework.so. So it finds no GPU after `pip install tensorflow[and-cuda]`, unless they are loaded before.
"""

INSTALL = "pip install 'gan-reference[gpu]'"


@dataclass(frozen=True)
class Card:
    """A card, as the driver describes it."""

    name: str
    uuid: str
    total_bytes: int
    free_bytes: int
    compute_capability: Version
    processes: tuple[int, ...] = ()
    """Ids of the other processes that compute on it. A container hides those outside, or shows other ids."""


@dataclass(frozen=True)
class Facts:
    """What is known about the cards of this machine and the CUDA of TensorFlow."""

    pci_cards: int = 0
    """Number of NVIDIA display controllers on the PCI bus, with a driver or without. 0 if unknown."""
    driver: str | None = None
    """Version of the driver. None: no driver, or it does not answer."""
    driver_error: str | None = None
    """What the driver answered instead of facts."""
    driver_cuda: Version = (0, 0)
    """Newest CUDA that the driver supports."""
    cards: tuple[Card, ...] = ()
    """In the order of the PCI bus."""
    visible_devices: str | None = None
    """The variable CUDA_VISIBLE_DEVICES."""
    pci_order: bool = False
    """Whether CUDA numbers the cards in the order of the PCI bus, by CUDA_DEVICE_ORDER."""
    cuda: Version | None = None
    """CUDA that TensorFlow was built for. None: it was built without CUDA."""
    cudnn: str = ""
    """cuDNN that TensorFlow was built for."""
    kernels: tuple[str, ...] = ()
    """Compute capabilities that TensorFlow was built for: sm_80 is machine code, compute_90 is PTX."""
    missing_libraries: tuple[str, ...] = ()
    """The `LIBRARIES` that are not found. Empty without a card."""
    found: int = 0
    """Number of GPUs that TensorFlow finds."""


@dataclass(frozen=True)
class Diagnosis:
    """Whether the cards are used, why not, and what to do."""

    summary: str
    """What will be used, and why."""
    problems: tuple[str, ...] = ()
    """What the user should know or do: one line each. Empty where no card was expected."""
    unusable: tuple[int, ...] = ()
    """Positions, among the GPUs that TensorFlow finds, of those that would end a run with an error."""


def read_facts() -> Facts:
    """Returns the facts about this machine. Loads TensorFlow, and uses no device.

    On a machine without a card it reads a folder of Linux and looks for the library of the driver.
    """
    import tensorflow as tf

    build: Mapping[str, Any] = tf.sysconfig.get_build_info()
    driver = _ask_driver()
    return Facts(
        pci_cards=_count_pci_cards(Path("/sys/bus/pci/devices")),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        pci_order=os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID",
        cuda=_version(build["cuda_version"]) if build.get("is_cuda_build") else None,
        cudnn=build.get("cudnn_version", ""),
        kernels=tuple(build.get("cuda_compute_capabilities", ())),
        missing_libraries=tuple(_missing_libraries()) if driver.get("cards") else (),
        found=len(tf.config.list_physical_devices("GPU")),
        **driver,
    )


def may_have_driver() -> bool:
    """Returns whether a driver can be loaded: its device is there, or this is not Linux."""
    return sys.platform != "linux" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg")))  # second: WSL


def _ask_driver() -> dict[str, Any]:
    """Returns the fields of `Facts` that the driver knows. Empty: there is no driver."""
    if not may_have_driver():
        return {}
    import pynvml  # 20 ms

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return {}
    except pynvml.NVMLError as error:
        return {"driver_error": str(error)}
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        return {
            "driver": pynvml.nvmlSystemGetDriverVersion(),
            "driver_cuda": (cuda // 1000, cuda % 1000 // 10),
            "cards": tuple(_card(pynvml, handle) for handle in handles),
        }
    except pynvml.NVMLError as error:
        return {"driver_error": str(error)}
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _card(pynvml: Any, handle: object) -> Card:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    processes = []
    with suppress(pynvml.NVMLError):  # not supported, as in Windows' Linux
        processes = [process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    return Card(
        name=pynvml.nvmlDeviceGetName(handle),
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        total_bytes=memory.total,
        free_bytes=memory.free,
        compute_capability=tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        processes=tuple(pid for pid in processes if pid != os.getpid()),
    )


def _count_pci_cards(devices: Path) -> int:
    """Returns the number of display controllers of NVIDIA, from the files of Linux."""

    def read(device: Path, name: str) -> str:
        with suppress(OSError):
            return (device / name).read_text(encoding="ascii", errors="replace")
        return ""

    with suppress(OSError):
        return sum(
            read(device, "vendor").strip() == "0x10de" and read(device, "class").startswith("0x03")
            for device in devices.iterdir()
        )
    return 0


def _version(text: str) -> Version:
    major, minor = [int(part) for part in re.findall(r"\d+", f"{text}.0")[:2]]
    return major, minor


def _library_folder() -> Path | None:
    """Returns the folder of the package `nvidia` beside TensorFlow, where TensorFlow searches. It may not exist."""
    spec = find_spec("tensorflow")
    return Path(spec.origin).parents[1] / "nvidia" if spec is not None and spec.origin is not None else None


def _missing_libraries() -> Iterator[str]:
    folder = _library_folder()
    for library, part in LIBRARIES.items():
        if folder is None or not (folder / part / "lib" / library).exists():
            try:
                ctypes.CDLL(library)  # from LD_LIBRARY_PATH or the system, where TensorFlow looks as well
            except OSError:
                yield library


def load_libraries() -> None:
    """Loads the CUDA libraries that TensorFlow needs and does not find itself, before it looks for GPUs.

    Does nothing without a driver, or without the libraries of the `gpu` extra.
    """
    if not may_have_driver():
        return
    folder = _library_folder()
    for library in NOT_SEARCHED if folder is not None else ():
        with suppress(OSError):
            ctypes.CDLL(str(folder / LIBRARIES[library] / "lib" / library))  # type: ignore[operator]


def diagnose(facts: Facts) -> Diagnosis:
    """Returns what will be used, and what is wrong: a pure function of the facts."""
    why_cpu, problem = _why_cpu(facts)
    if why_cpu is not None:
        wrong = () if problem is None else (f"{why_cpu}: {problem}; the CPU is used",)
        return Diagnosis(f"the CPU is used: {why_cpu}", wrong, tuple(range(facts.found)))
    order = _visible_cards(facts)
    if order is None or len(order) != facts.found:  # which card is which is not known, or they are not NVIDIA's
        names = ", ".join(sorted({card.name for card in facts.cards}))
        return Diagnosis(f"TensorFlow finds {facts.found} GPU{'s' * (facts.found > 1)}" + (names and f" of {names}"))
    cards = [facts.cards[index] for index in order]
    reasons = [_why_not(card, facts) for card in cards]
    used = [card for card, reason in zip(cards, reasons) if reason is None]
    instead = "it is not used" if used else "the CPU is used"
    problems = [f"{reason}; {instead}" for reason in reasons if reason is not None]
    problems += [line for card in used if (line := _sharing(card))]
    problems += dict.fromkeys(line for card in used if (line := _old_for_ptx(card, facts)))
    lines = [_description(card, facts) for card in used] or [f"the CPU is used: {reasons[0]}"]
    unusable = tuple(position for position, reason in enumerate(reasons) if reason is not None)
    return Diagnosis(", ".join(lines), tuple(problems), unusable)


def _why_cpu(facts: Facts) -> tuple[str | None, str | None]:
    """Returns why no card can be used, and what to do: (None, None) if one can, (..., None) if nothing is wrong."""
    if facts.cards and facts.cuda is not None and facts.driver_cuda[0] < facts.cuda[0]:
        old = f"NVIDIA driver {facts.driver} is too old for CUDA {dotted(facts.cuda)} of TensorFlow"
        return old, f"install driver {_oldest_driver(facts)} or newer"
    if facts.found:
        return None, None
    if facts.driver_error is not None:
        return f"the NVIDIA driver does not answer ({facts.driver_error})", "restart after an update of the driver"
    if facts.driver is None and facts.pci_cards:
        return "an NVIDIA card without a driver", f"install driver {_oldest_driver(facts)} or newer"
    if facts.driver is None:
        return "no NVIDIA driver", None
    if not facts.cards:
        return f"NVIDIA driver {facts.driver} finds no card", None
    if facts.cuda is None:
        return "TensorFlow was built without CUDA", "use TensorFlow for Linux (in Windows, in WSL 2)"
    if _hides_all(facts):
        return f"CUDA_VISIBLE_DEVICES={facts.visible_devices} hides the card", None
    if _visible_cards(facts) == ():
        numbers = "number 0" if len(facts.cards) == 1 else f"numbers 0 to {len(facts.cards) - 1}"
        return f"CUDA_VISIBLE_DEVICES={facts.visible_devices} names no card", f"this machine has {numbers}"
    if facts.missing_libraries:
        return f"CUDA libraries are missing ({', '.join(facts.missing_libraries)})", INSTALL
    return "TensorFlow finds no GPU", "TF_CPP_MIN_LOG_LEVEL=0 gan doctor shows why"


def _oldest_driver(facts: Facts) -> str:
    return OLDEST_DRIVER.get((facts.cuda or (12, 0))[0], f"for CUDA {(facts.cuda or (12, 0))[0]}")


def _hides_all(facts: Facts) -> bool:
    """Whether the user has hidden all cards, in the ways that NVIDIA documents: nothing, or -1."""
    return facts.visible_devices is not None and facts.visible_devices.partition(",")[0].strip() in ("", "-1")


def _visible_cards(facts: Facts) -> tuple[int, ...] | None:
    """Returns the visible cards in the order of CUDA, as indices of `Facts.cards`. None: not known.

    By default CUDA puts the fastest card first, so that numbers mean nothing if the cards differ.
    """
    known = facts.pci_order or len({card.name for card in facts.cards}) == 1
    everything = range(len(facts.cards))
    if facts.visible_devices is None:
        return tuple(everything) if known else None
    found: list[int] = []
    for entry in map(str.strip, facts.visible_devices.split(",")):
        if entry.startswith("MIG-"):  # a part of a card
            return None
        if entry.startswith("GPU-"):
            matching = [index for index in everything if facts.cards[index].uuid.startswith(entry)]
        else:
            matching = [index for index in everything if entry == str(index)]
            if matching and not known:
                return None
        if len(matching) != 1:  # the first entry that names no card ends the list
            break
        found += matching
    return tuple(found)


def _why_not(card: Card, facts: Facts) -> str | None:
    """Returns why this visible card cannot be used, and what to do. None: it can."""
    oldest = min((_capability(kernel) for kernel in facts.kernels), default=(0, 0))
    if card.compute_capability < oldest:
        needed, has = dotted(oldest), dotted(card.compute_capability)
        return f"{card.name} has compute capability {has}, and TensorFlow needs {needed}"
    if card.free_bytes < LEAST_FREE_BYTES:
        least = f"less than {LEAST_FREE_BYTES / GIB:g} GiB of {card.total_bytes / GIB:.0f} GiB of memory free"
        return f"{card.name} has {least}{_processes(card, before=' (', after=')')}"
    return None


def _processes(card: Card, before: str, after: str) -> str:
    if not card.processes:
        return ""
    plural = "processes" if len(card.processes) > 1 else "process"
    return f"{before}{plural} {', '.join(map(str, card.processes))}{after}"


def _sharing(card: Card) -> str:
    """Returns the line about other processes on a card that is used, or an empty string."""
    after = f" also on {card.name}, {card.free_bytes / GIB:.1f} GiB free; memory is taken as needed and may run out"
    return _processes(card, before="", after=after)


def _old_for_ptx(card: Card, facts: Facts) -> str:
    """Returns the line about a driver that is older than the PTX it has to compile, or an empty string."""
    if facts.cuda is None or facts.driver_cuda >= facts.cuda or not _needs_ptx(card, facts):
        return ""
    return (
        f"NVIDIA driver {facts.driver} supports CUDA {dotted(facts.driver_cuda)}, and TensorFlow's kernels for "
        f"{card.name} need {dotted(facts.cuda)}; if CUDA_ERROR_UNSUPPORTED_PTX_VERSION ends a run, update the driver"
    )


def _needs_ptx(card: Card, facts: Facts) -> bool:
    """Whether TensorFlow has no machine code for this card, so that the driver compiles its kernels from PTX."""
    major, minor = card.compute_capability
    machine_code = [_capability(kernel) for kernel in facts.kernels if kernel.startswith("sm_")]
    return bool(facts.kernels) and not any(of == major and least <= minor for of, least in machine_code)


def _capability(kernel: str) -> Version:
    """Returns (9, 0) for sm_90, and (10, 0) for compute_100."""
    return divmod(int("".join(re.findall(r"\d", kernel))), 10)


def dotted(version: Version) -> str:
    """Returns 12.5 for (12, 5)."""
    return f"{version[0]}.{version[1]}"


def _description(card: Card, facts: Facts) -> str:
    compiled = "; its kernels are compiled at their first use, and kept" if _needs_ptx(card, facts) else ""
    memory = f"{card.free_bytes / GIB:.1f} of {card.total_bytes / GIB:.1f} GiB free"
    return f"{card.name} is used ({memory}, compute capability {dotted(card.compute_capability)}{compiled})"


@cache  # one answer for a process, since it later takes memory itself
def select_cards() -> tuple[str, ...]:
    """Hides the cards that cannot be used from TensorFlow. Returns the problems of `diagnose`."""
    import tensorflow as tf

    diagnosis = diagnose(read_facts())
    if diagnosis.unusable:
        gpus = tf.config.list_physical_devices("GPU")
        unusable = [gpus[position] for position in diagnosis.unusable]
        try:
            tf.config.set_visible_devices(
                [gpu for gpu in tf.config.get_visible_devices("GPU") if gpu not in unusable], "GPU"
            )
        except RuntimeError:  # this process uses the devices already
            return ()
    return diagnosis.problems


@cache
def memory_for_data() -> int:
    """Returns the bytes of a card that a training set may take: `DATA_SHARE` of the smallest card TensorFlow may use.

    All memory of the card counts, since TensorFlow takes nearly all that is free before the first training asks.
    `UNKNOWN_DATA_BYTES` if the driver does not say.
    """
    facts = read_facts()
    order = _visible_cards(facts) or range(len(facts.cards))
    return min((int(DATA_SHARE * facts.cards[index].total_bytes) for index in order), default=UNKNOWN_DATA_BYTES)
