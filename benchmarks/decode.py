"""The floor: decode every line on standard input with msgspec and do nothing with it.

No Singer target that looks at its records can be faster than this and stay in Python, so every other number
is given as a multiple of it.
"""

import sys

import msgspec


def main() -> None:
    """Decode all of standard input."""
    decode = msgspec.json.decode
    for line in sys.stdin.buffer:
        decode(line)


if __name__ == "__main__":
    main()
