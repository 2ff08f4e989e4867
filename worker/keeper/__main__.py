"""`python -m worker.keeper`. A module of its own, so that spawned checks do not import the keeper again."""

from worker.keeper.main import main

if __name__ == "__main__":
    main()
