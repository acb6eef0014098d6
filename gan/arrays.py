"""Arrays written to an .npz file piece by piece, so that they need not fit into memory."""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Pieces:
    """An array in pieces along its first axis: of any lengths that add up to shape[0]."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[np.ndarray]


def save_npz(path: Path, arrays: Mapping[str, Pieces]) -> None:
    """Writes the file that `np.savez` would, byte for byte, with the memory of one piece. Not atomic.

    The file is not compressed: zlib takes longer for a small picture than a small generator takes to draw it.

    Raises `ValueError` when the pieces are not the array that was promised.
    """
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                described = np.lib.format.dtype_to_descr(array.dtype)
                header = {"descr": described, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(member, header)
                written = 0
                for piece in array.pieces:
                    if (piece.dtype, piece.shape[1:]) != (array.dtype, array.shape[1:]):
                        expected, received = (array.dtype, array.shape[1:]), (piece.dtype, piece.shape[1:])
                        raise ValueError(f"Bad piece of `{name}`. Expected {expected}. Received {received}.")
                    member.write(piece.tobytes())
                    written += len(piece)
                if written != array.shape[0]:
                    raise ValueError(f"Bad pieces of `{name}`. Expected {array.shape[0]} in all. Received {written}.")
