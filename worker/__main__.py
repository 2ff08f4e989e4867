"""`python -m worker`. A module of its own, so that forked trainings do not import the worker again."""

from worker.main import main

if __name__ == "__main__":
    main()
