"""How training refuses."""

from golden.errors import NetworkError


class TrainingError(NetworkError):
    """A module, data or settings with which no network of spikes in time can be trained.

    `where` names the module, the data or the setting; the message says what is needed, what was given and what helps.
    """

    def __init__(self, where: str, rule: str, needed: object, given: object, help: str):
        self.where, self.rule, self.help = where, rule, help
        given = " ".join(str(given).split()).rstrip(".")
        super().__init__(f"{where}, rule '{rule}': needs {needed}; given: {given}. {help}")
