"""`python -m synapress`: the command line, also where the folder of the `synapress` command is not on PATH."""

from synapress.cli.main import main

if __name__ == "__main__":
    main()
