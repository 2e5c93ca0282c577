"""What the page says, in English and Russian: the browser's language decides which is read."""

import gradio as gr
from gradio.i18n import I18nData

Texts = dict[str, tuple[str, str]]  # what a key stands for in English and in Russian

# What several tabs say.
COMMON: Texts = {
    "model": ("Model", "Модель"),
    "model_info": (
        "One of these, or the id of one on the Hub: user/name",
        "Одна из этих или имя модели на Hub: user/name",
    ),
    "class": ("Class", "Класс"),
    "seed": ("Seed", "Зерно"),
    "seed_info": ("A whole number below 4294967296", "Целое число меньше 4294967296"),
    "stop": ("Stop", "Стоп"),
    "stopped": ("Stopped.", "Остановлено."),
}

translate = I18nData  # a key, which the page replaces by its words


def translations(*tables: Texts) -> gr.I18n:
    """The words of all tabs together. A key belongs to one of them."""
    keys = [key for table in tables for key in table]
    assert len(keys) == len(set(keys)), "a key that two tabs use"
    english, russian = (
        {key: words[side] for table in tables for key, words in table.items()} for side in (0, 1)
    )
    return gr.I18n(en=english, ru=russian)
