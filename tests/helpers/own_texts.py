"""Writes the text files of a user that docs/text.md names."""

from pathlib import Path

SENTENCES = {
    "parcel": "where is my parcel number {}",
    "refund": "i want money back for order {}",
    "account": "how do i change password {}",
}
"""Category -> its requests."""


def write_own_texts(folder: Path) -> None:
    """Writes lines, a table of requests in three categories, questions, and knowledge."""
    requests = [(sentence.format(i), category) for category, sentence in SENTENCES.items() for i in range(300)]
    texts = {
        "requests.csv": ["text,category", *(",".join(row) for row in requests)],
        "poems.txt": [f"line {i} of a poem" for i in range(60)],
        "names.txt": ["Germania", "Niemcy", "Suomi"],
        "questions.txt": ["What is the currency of Finland?", "日本的货币是什么"],
        "faq.jsonl": [
            '{"question": "When does the library open?", "answer": "At nine."}',
            '{"question": "Who may borrow books?", "answer": "Everyone."}',
        ],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
