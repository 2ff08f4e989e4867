"""`python -m supercycle` is the command `supercycle`."""

from supercycle.cli import main

if __name__ == "__main__":
    main()
