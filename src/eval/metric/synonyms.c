#include "eval/metric/synonyms.h"

#include "base/file.h"
#include "base/memory.h"
#include "eval/metric/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 28, LONGEST = 256 };

struct pc_synonyms {
    pc_word_ids *words;     /* of english.synsets */
    size_t *first;          /* [words + 1] the sets of word i are set[first[i] .. first[i + 1]) */
    int *set;
    size_t words_room, sets, sets_room;
    pc_word_ids *forms;     /* of english.exceptions */
    struct base {
        int form;
        const char *word;   /* in `text` */
    } *base;                /* sorted by form, in file order within one */
    size_t bases, bases_room;
    char *text;             /* of english.exceptions, lines ended by NUL */
};

/* --- lines in pairs --- */

typedef struct pairs {
    char *text, *at;
    size_t line;
    char path[512];
} pairs;

static pc_status open_pairs(pairs *p, const char *folder, const char *name)
{
    size_t size;
    char *path = pc_path_join(folder, name);
    *p = (pairs){0};
    PC_TRY(path ? PC_OK : pc_fail_memory(0, "a path"));
    strncpy(p->path, path, sizeof p->path - 1);
    pc_status status = pc_file_read(&p->text, &size, path, FILE_LIMIT);
    p->at = p->text;
    pc_free(path);
    return status;
}

/* The next line, ended by NUL; NULL behind the last. */
static char *next_line(pairs *p)
{
    if (!p->at || !*p->at) {
        return NULL;
    }
    char *line = p->at, *end = strchr(line, '\n');
    p->at = end ? end + 1 : line + strlen(line);
    p->line++;
    if (end) {
        *end = 0;
    }
    return line;
}

/* *head = NULL behind the last pair. */
static pc_status next_pair(pairs *p, char **head, char **tail)
{
    *head = next_line(p);
    *tail = *head ? next_line(p) : NULL;
    return *head && !*tail ? pc_fail(PC_ERR_DATA, "%s:%zu: a second line is missing", p->path, p->line) : PC_OK;
}

static pc_status read_sets(pc_synonyms *self, const pairs *p, char *numbers)
{
    char *rest = numbers;
    for (char *word; (word = strsep(&rest, " "));) {
        char *end;
        long number = strtol(word, &end, 10);
        if (*word && (*end || number < 0 || number > 1 << 30)) {
            return pc_fail(PC_ERR_DATA, "%s:%zu: expected the number of a set, found '%.40s'", p->path, p->line, word);
        }
        if (*word) {
            PC_TRY(pc_grow(&self->set, &self->sets_room, self->sets + 1, sizeof *self->set, "sets of synonyms"));
            self->set[self->sets++] = (int)number;
        }
    }
    return PC_OK;
}

static pc_status read_synsets(pc_synonyms *self, const char *folder)
{
    pairs p;
    char *word, *numbers;
    pc_status status;
    PC_GO(open_pairs(&p, folder, "english.synsets"));
    for (;;) {
        int id;
        PC_GO(next_pair(&p, &word, &numbers));
        PC_GO(pc_grow(&self->first, &self->words_room, pc_word_ids_count(self->words) + 2, sizeof *self->first, "words"));
        self->first[pc_word_ids_count(self->words)] = self->sets;
        if (!word) {
            break;
        }
        size_t known = pc_word_ids_count(self->words);
        PC_GO(pc_word_ids_add(self->words, word, strlen(word), &id));
        if ((size_t)id != known) {
            status = pc_fail(PC_ERR_DATA, "%s:%zu: '%.40s' stands there twice", p.path, p.line - 1, word);
            goto done;
        }
        PC_GO(read_sets(self, &p, numbers));
    }
done:
    pc_free(p.text);
    return status;
}

static int by_form(const void *a, const void *b)
{
    const struct base *x = a, *y = b;
    return x->form != y->form ? (x->form < y->form ? -1 : 1) : x->word < y->word ? -1 : x->word > y->word;
}

static pc_status read_exceptions(pc_synonyms *self, const char *folder)
{
    pairs p;
    char *base, *rest;
    pc_status status;
    PC_GO(open_pairs(&p, folder, "english.exceptions"));
    for (;;) {
        PC_GO(next_pair(&p, &base, &rest));
        if (!base) {
            break;
        }
        for (char *form; (form = strsep(&rest, " "));) {
            int id;
            PC_GO(pc_grow(&self->base, &self->bases_room, self->bases + 1, sizeof *self->base, "base forms"));
            PC_GO(pc_word_ids_add(self->forms, form, strlen(form), &id));
            self->base[self->bases++] = (struct base){.form = id, .word = base};
        }
    }
    if (self->bases) {
        qsort(self->base, self->bases, sizeof *self->base, by_form);
    }
done:
    self->text = p.text;
    return status;
}

pc_status pc_synonyms_load(pc_synonyms **out, const char *folder)
{
    pc_synonyms *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(self, "synonyms"));
    PC_GO(pc_word_ids_new(&self->words));
    PC_GO(pc_word_ids_new(&self->forms));
    PC_GO(read_synsets(self, folder));
    PC_GO(read_exceptions(self, folder));
    *out = self;
    return PC_OK;
done:
    pc_synonyms_free(self);
    return status;
}

void pc_synonyms_free(pc_synonyms *self)
{
    if (self) {
        pc_word_ids_free(self->words);
        pc_word_ids_free(self->forms);
        pc_free(self->first);
        pc_free(self->set);
        pc_free(self->base);
        pc_free(self->text);
        pc_free(self);
    }
}

/* --- one word --- */

typedef struct found {
    int *set;
    size_t count, room;
} found;

static pc_status add_sets(const pc_synonyms *self, found *out, const char *word)
{
    int id = pc_word_ids_find(self->words, word, strlen(word));
    for (size_t i = id < 0 ? 0 : self->first[id]; id >= 0 && i < self->first[id + 1]; i++) {
        PC_TRY(pc_grow(&out->set, &out->room, out->count + 1, sizeof *out->set, "sets of synonyms"));
        out->set[out->count++] = self->set[i];
    }
    return PC_OK;
}

/* WordNet's morphy: the first rule whose result is a word. */
static bool find_base(const pc_synonyms *self, char base[LONGEST], const char *word)
{
    static const char *const rules[][2] = {
        {"s", ""}, {"ses", "s"}, {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"}, {"men", "man"}, {"ies", "y"},
        {"s", ""}, {"ies", "y"}, {"es", "e"}, {"es", ""}, {"ed", "e"}, {"ed", ""}, {"ing", "e"}, {"ing", ""},
        {"er", ""}, {"est", ""}, {"er", "e"}, {"est", "e"}};
    size_t length = strlen(word);
    if (length <= 2 || length + 4 > LONGEST || strcmp(word + length - 2, "ss") == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        size_t suffix = strlen(rules[i][0]);
        if (length >= suffix && strcmp(word + length - suffix, rules[i][0]) == 0) {
            memcpy(base, word, length - suffix);
            strcpy(base + length - suffix, rules[i][1]);
            if (pc_word_ids_find(self->words, base, strlen(base)) >= 0) {
                return true;
            }
        }
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static int form_of(const void *form, const void *base)
{
    int x = *(const int *)form, y = ((const struct base *)base)->form;
    return x < y ? -1 : x > y;
}

pc_status pc_synonyms_of(const pc_synonyms *self, const char *word, int **sets, size_t *count)
{
    found out = {0};
    char base[LONGEST];
    pc_status status = add_sets(self, &out, word);
    int form = pc_word_ids_find(self->forms, word, strlen(word));
    if (form >= 0) {
        const struct base *one = bsearch(&form, self->base, self->bases, sizeof *one, form_of);
        for (; one && one > self->base && one[-1].form == form; one--) {
        }
        for (; status == PC_OK && one && one < self->base + self->bases && one->form == form; one++) {
            status = add_sets(self, &out, one->word);
        }
    } else if (status == PC_OK && find_base(self, base, word)) {
        status = add_sets(self, &out, base);
    }
    if (out.count) {
        qsort(out.set, out.count, sizeof *out.set, by_number);
    }
    *sets = out.set;
    *count = out.count;
    if (status != PC_OK) {
        pc_free(out.set);
        *sets = NULL;
    }
    return status;
}
