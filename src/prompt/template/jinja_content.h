/* The Jinja macro that says what pc_segments_content says in C: the parts of a message in order,
 * media that open it each followed by a line feed. A content that is one string is taken as one
 * text. */
#ifndef PC_PROMPT_TEMPLATE_JINJA_CONTENT_H
#define PC_PROMPT_TEMPLATE_JINJA_CONTENT_H

#define PC_JINJA_CONTENT \
    "{% macro content(message) %}" \
    "{% if message['content'] is string %}{{ message['content'] }}" \
    "{% else %}{% set seen = namespace(text=false) %}" \
    "{% for part in message['content'] %}" \
    "{% if part['type'] == 'text' %}{{ part['text'] }}" \
    "{% set seen.text = true %}" \
    "{% else %}{{ '<' + part['type'] + '>' }}" \
    "{% if not seen.text %}{{ '\\n' }}{% endif %}" \
    "{% endif %}{% endfor %}{% endif %}{% endmacro %}"

/* What pc_segments_in_place says in C. */
#define PC_JINJA_IN_PLACE \
    "{% macro content(message) %}" \
    "{% if message['content'] is string %}{{ message['content'] }}" \
    "{% else %}{% for part in message['content'] %}" \
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}{{ '<' + part['type'] + '>' }}{% endif %}" \
    "{% endfor %}{% endif %}{% endmacro %}"

#endif
