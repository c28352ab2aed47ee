/* `percept data show RECIPE [key=value]... [--index N] [--html FILE]` */
#include "base/file.h"
#include "cli/data.h"
#include "cli/options.h"
#include "train/sample_page.h"

#include <stddef.h>
#include <stdio.h>

typedef struct show_options {
    int64_t index;
    char *html;
} show_options;

static const pc_field fields[] = {
    {.name = "index", .type = PC_FIELD_INT, .offset = offsetof(show_options, index), .high = 1e15,
     .help = "number of the sample, counted from 0 over all datasets of the recipe"},
    {.name = "html", .type = PC_FIELD_TEXT, .offset = offsetof(show_options, html),
     .help = "write a page with the pictures to this file"},
};

static const pc_options options = {
    .usage = "percept data show RECIPE.yaml [key=value]... [OPTION]...\n\n"
             "Shows one sample as the model sees it: ids, positions, which tokens the loss counts; with --html also the pictures\n"
             "as the encoder gets them, in a page of its own.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 1,
    .max_arguments = 64,
};

static pc_status show(const pc_recipe *recipe, const show_options *given)
{
    pc_sample_view view;
    pc_str text = {0};
    pc_status status = pc_sample_view_open(&view, recipe, given->index);
    if (status == PC_OK) {
        status = given->html ? pc_sample_page(&view, &text) : pc_sample_text(&view, &text);
    }
    if (status == PC_OK && given->html) {
        status = pc_file_write(given->html, text.data, text.length);
        if (status == PC_OK) {
            printf("%s\n", given->html);
        }
    } else if (status == PC_OK) {
        fwrite(text.data, 1, text.length, stdout);
    }
    pc_sample_view_clear(&view);
    pc_str_clear(&text);
    return status;
}

pc_status pc_data_show(int argc, char **argv)
{
    show_options given;
    pc_arguments arguments;
    pc_recipe recipe = {0};
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = pc_recipe_read(&recipe, arguments.items[0], arguments.items + 1, arguments.count - 1);
        status = status == PC_OK ? show(&recipe, &given) : status;
        pc_recipe_clear(&recipe);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}
