"""Changes two files in a folder without end, so that whoever reads them can tell whether what he got was ever there.

A file is words of eight bytes, each the number of the pass that wrote it. A pass goes from the front to the back, so at each
moment the file is some words of one number, and behind them some of the number before.
"""

import os
import random
import sys
import time

PIECE = 64 * 1024


def words(number, length):
    return number.to_bytes(8, "little") * (length // 8)


def main(folder):
    calm, wild = (os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT) for name in ("calm", "wild"))
    sizes = {calm: 512 * 1024, wild: 16 * 1024 * 1024}
    for fd, size in sizes.items():
        os.pwrite(fd, words(1, size), 0)
    print("ready", flush=True)
    number = 1
    while True:
        number += 1
        for fd in sizes:
            for at in range(0, sizes[fd], PIECE):
                os.pwrite(fd, words(number, min(PIECE, sizes[fd] - at)), at)
            # Of one number now: cut it short, and let it grow again.
            if random.random() < 0.5:
                sizes[fd] = max(PIECE, sizes[fd] // 16 * 8)
                os.ftruncate(fd, sizes[fd])
            while sizes[fd] < (512 * 1024 if fd == calm else 16 * 1024 * 1024):
                os.pwrite(fd, words(number, PIECE), sizes[fd])
                sizes[fd] += PIECE
        if random.random() < 0.3:
            time.sleep(random.random() * 0.05)


main(sys.argv[1])
