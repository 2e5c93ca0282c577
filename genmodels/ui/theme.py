"""The look of the app: one accent colour, system fonts, crisp pixels."""

import gradio as gr

FONTS = ["system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
CODE_FONTS = ["ui-monospace", "Consolas", "Noto Sans Mono", "monospace"]

# Darker than gradio's defaults, for a contrast of at least 4.5 between text and background.
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", radius_size="md", font=FONTS, font_mono=CODE_FONTS
).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
    body_text_color_subdued="*neutral_500",
    block_info_text_color="*neutral_500",
    slider_color="*primary_700",
    color_accent="*primary_700",
)

# Galleries with eight images per row on desktops and four on phones, where images come first.
CSS = """
.gradio-container { width: 100% !important; max-width: 1200px !important; margin: auto !important; }
.dark { --color-accent: var(--primary-400); }
.pixels img, .grids img { image-rendering: pixelated; }
.pixels .grid-wrap, .grids .grid-wrap { max-height: none !important; min-height: 0 !important; }
.pixels .grid-container { grid-template-columns: repeat(auto-fill, minmax(90px, 1fr)) !important;
  grid-template-rows: none !important; grid-auto-rows: auto !important; }
.pixels .grid-container * { width: 100% !important; min-width: 0; }
.pixels .grid-container .thumbnail-item { height: auto !important; aspect-ratio: 1; }
.grids .grid-container { grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)) !important;
  grid-template-rows: none !important; grid-auto-rows: auto !important; }
.grids .grid-container .thumbnail-item { height: auto !important; aspect-ratio: auto !important; }
.grids .caption-label { position: static !important; display: block; max-width: 100%; }
.note [data-testid="status-tracker"]:has(.error) { display: none; }
.js-plotly-plot text { fill: var(--body-text-color) !important; }
.js-plotly-plot .gridlayer path { stroke: var(--border-color-primary) !important; }
.js-plotly-plot .modebar { display: none; }
.compared .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)) !important; }
.large .image-container { padding-top: 26px; }
.large .image-frame { width: 100%; }
.large { max-width: 560px; margin-left: 0 !important; }
.large img { width: 100% !important; height: auto !important; object-fit: contain !important; }
.held img { width: 100% !important; height: 100% !important; object-fit: contain; }
.large.frame, .large.point { max-width: 260px; }
.held .image-container { padding-top: 30px; }
.examples .grid-wrap, .completions .grid-wrap, .saved .grid-wrap { padding-top: 36px !important; }
.captions .thumbnail-item { aspect-ratio: auto !important; }
.captions .thumbnail-item img { height: auto !important; display: block; }
.completions .thumbnail-item img { aspect-ratio: 1; }
.captions .caption-label { position: static !important; max-width: none !important;
  border: 0 !important; padding: 0 4px !important; white-space: normal !important; }
.card td:first-child { overflow-wrap: normal; word-break: normal; }
.row > button { min-width: max-content !important; }
footer > .divider { visibility: hidden; }
@media (max-width: 640px) {
  .app { padding: 16px !important; }
  .pixels .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
  .compared .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
  .first-in-hand { order: -1; }
}
"""

# Accessibility that gradio's components lack: labels, roles, and keyboard focus for scrolling.
HEAD = """
<script>
const addLabels = () => {
  for (const button of document.querySelectorAll(".image-container > button:not([aria-label])"))
    button.setAttribute("aria-label", button.closest(".block").innerText.trim() || "image");
  for (const element of document.querySelectorAll("div[aria-label]:not([role])"))
    element.setAttribute("role", "img");
  for (const block of document.querySelectorAll(".block.hide-container:not([tabindex])"))
    if (block.scrollWidth > block.clientWidth || block.scrollHeight > block.clientHeight)
      block.setAttribute("tabindex", "0");
};
let scheduled = false;
new MutationObserver(() => {
  if (!scheduled) setTimeout(() => { scheduled = false; addLabels(); }, 300);
  scheduled = true;
}).observe(document, { childList: true, subtree: true });
</script>
"""
