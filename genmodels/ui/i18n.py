"""UI texts in English and Russian.

Explanations follow the browser's language (English or Russian); results and errors are in English.
"""

import gradio as gr
from gradio.i18n import I18nData

Texts = dict[str, tuple[str, str]]  # key: (English, Russian)

# Texts of several tabs
COMMON: Texts = {
    "model": ("Model", "Модель"),
    "model_info": (
        "Choose a model or enter a Hub id: user/name",
        "Выберите модель или введите её id на Hub: user/name",
    ),
    "class": ("Class", "Класс"),
    "seed": ("Seed", "Сид"),
    "seed_info": ("A whole number below 4294967296", "Целое число меньше 4294967296"),
    "stop": ("Stop", "Стоп"),
    "stopped": ("Stopped.", "Остановлено."),
}

translate = I18nData  # a key, which the page replaces by its text


def translations(*tables: Texts) -> gr.I18n:
    """Merge the texts of all tabs. Keys must be unique."""
    keys = [key for table in tables for key in table]
    duplicates = {key for key in keys if keys.count(key) > 1}
    assert not duplicates, f"texts with the same key: {duplicates}"
    english, russian = (
        {key: texts[language] for table in tables for key, texts in table.items()}
        for language in (0, 1)
    )
    return gr.I18n(en=english, ru=russian)
