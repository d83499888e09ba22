"""From values to lines of text; nothing here knows a widget."""
