"""Long lines of a text file, as in a book without useful line breaks: nothing of them is lost."""

from gan.text.data.corpora import LONGEST, cut, load_corpus


def test_a_long_line_is_cut_at_spaces_and_nothing_is_lost():
    line = " ".join(f"word-{i}" for i in range(300))
    pieces = cut(line)
    assert " ".join(pieces) == line
    assert LONGEST - len("word-999 ") < max(map(len, pieces)) <= LONGEST
    assert [len(piece) for piece in cut("x" * (2 * LONGEST + 1))] == [LONGEST, LONGEST, 1]
    assert cut("") == []


def test_a_book_of_one_line_becomes_a_corpus(tmp_path):
    file = tmp_path / "book.txt"
    file.write_text(" ".join(f"sentence number {i}." for i in range(1_000)), encoding="utf-8")
    corpus = load_corpus(file)
    texts = [*corpus.train.texts, *corpus.validation.texts, *corpus.test.texts]
    assert sum(map(len, texts)) + len(texts) - 1 == len(file.read_text(encoding="utf-8"))
    assert corpus.length <= LONGEST
