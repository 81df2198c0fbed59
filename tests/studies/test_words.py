"""The table of word budgets in the document is that of the field tables."""

from golden.widths import CONNECTIVITY_BITS
from golden.words import RESERVED, layouts
from studies import words


def test_the_document_has_the_table() -> None:
    assert words.table() in words.PAGE.read_text(), "python -m studies.words --write"


def test_the_words_have_room() -> None:
    """Memories to 1 MB and cores 31 columns apart, in the widths of `grai_vip`."""
    configs = words.configurations()
    large = configs["grai_vip with 1 MB"]
    assert large.memory_bytes == 1 << 20 and large.mesh_bits == configs["grai_vip"].mesh_bits == 6
    for word in vars(layouts(large)).values():
        assert word.bits <= CONNECTIVITY_BITS
        assert set(RESERVED.get(word.name, ())) <= {field.name for field in word.fields}
    assert set(RESERVED) == {word.name for word in vars(layouts(large)).values() if word.name.startswith("second")}
