#include "instruct/roots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 40, BEHIND = 6 /* words that a noun may stand behind its verb */, BEFORE = 8 /* words before the verb */ };

static const char *const verbs[] = { /* sorted */
    "add", "analyse", "analyze", "answer", "apply", "arrange", "assess", "assign", "calculate", "caption", "categorise", "categorize",
    "check", "choose", "classify", "compare", "complete", "compose", "compute", "confirm", "consider", "construct", "contrast", "convert",
    "correct", "count", "create", "decide", "define", "depict", "describe", "design", "detail", "detect", "determine", "develop", "discuss",
    "distinguish", "draft", "draw", "edit", "elaborate", "enumerate", "estimate", "evaluate", "examine", "explain", "explore", "express",
    "extract", "fill", "find", "generate", "give", "guess", "highlight", "identify", "imagine", "indicate", "infer", "interpret", "judge",
    "label", "list", "locate", "make", "mark", "match", "measure", "mention", "name", "narrate", "observe", "offer", "order", "outline",
    "paint", "paraphrase", "pick", "place", "point", "portray", "predict", "present", "propose", "prove", "provide", "rank", "rate", "read",
    "recognise", "recognize", "recommend", "replace", "report", "respond", "rewrite", "say", "select", "share", "show", "solve", "sort",
    "specify", "spot", "state", "suggest", "summarise", "summarize", "tell", "think", "transcribe", "translate", "verify", "write",
};

static const char *const small[] = { /* sorted; nouns are never among them */
    "a", "about", "all", "an", "and", "any", "as", "at", "brief", "briefly", "by", "clear", "clearly", "concise", "concisely", "detailed", "each",
    "every", "following", "for", "from", "full", "given", "here", "how", "if", "in", "into", "is", "it", "its", "me", "my", "of", "on", "one", "or",
    "out", "please", "provided", "rich", "short", "shortly", "some", "that", "the", "their", "them", "these", "this", "those", "to", "up", "us",
    "we", "what", "where", "whether", "which", "who", "why", "with", "you", "your",
};

static int by_text(const void *key, const void *member)
{
    return strcmp(key, *(const char *const *)member);
}

static bool is_among(const char *word, const char *const *list, size_t count)
{
    return bsearch(word, list, count, sizeof *list, by_text) != NULL;
}

/* The word at *at, which goes behind it; false at the end. Longer ones are cut. */
static bool take_word(char word[WORD], const char **at)
{
    *at += strspn(*at, " ");
    size_t length = strcspn(*at, " ");
    snprintf(word, WORD, "%.*s", (int)(length < WORD ? length : WORD - 1), *at);
    *at += length;
    return length > 0;
}

bool pc_roots_find(char out[PC_ROOTS_ROOM], const char *words)
{
    char verb[WORD], noun[WORD];
    const char *at = words;
    for (int i = 0; i < BEFORE && take_word(verb, &at); i++) {
        if (!is_among(verb, verbs, sizeof verbs / sizeof *verbs)) {
            continue;
        }
        for (int k = 0; k < BEHIND && take_word(noun, &at); k++) {
            if (!is_among(noun, small, sizeof small / sizeof *small)) {
                snprintf(out, PC_ROOTS_ROOM, "%s %s", verb, noun);
                return true;
            }
        }
        return false;
    }
    return false;
}
