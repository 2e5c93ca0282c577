"""What the page says, in English and Russian: the browser's language decides which is read."""

import gradio as gr
from gradio.i18n import I18nData

Words = dict[str, tuple[str, str]]  # what a key stands for in English and in Russian

say = I18nData  # a key, which the page replaces by its words


def translations(*tables: Words) -> gr.I18n:
    """The words of all tabs together. A key belongs to one of them."""
    keys = [key for table in tables for key in table]
    assert len(keys) == len(set(keys)), "a key that two tabs use"
    english, russian = (
        {key: words[side] for table in tables for key, words in table.items()} for side in (0, 1)
    )
    return gr.I18n(en=english, ru=russian)
