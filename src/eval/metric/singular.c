/* In this order: words without a plural (also when the word is an end of one of them), words in -ie, irregular ends of words, and the
 * first of the suffix rules that fits. */
#include "eval/metric/singular.h"

#include "base/memory.h"
#include "eval/metric/rewrite.h"

#include <string.h>

struct pc_singular {
    pc_rewriter *rules;
};

static const pc_rewrite rules[] = {
    {"(.)ae$", "$1a"}, {"(.)itis$", "$1itis"}, {"(.)eaux$", "$1eau"}, {"(quiz)zes$", "$1"}, {"(matr)ices$", "$1ix"},
    {"(ap|vert|ind)ices$", "$1ex"}, {"^(ox)en", "$1"}, {"(alias|status)es$", "$1"}, {"([octpvir|])i$", "$1us"},
    {"(cris|ax|test)es$", "$1is"}, {"(shoe)s$", "$1"}, {"(o)es$", "$1"}, {"(bus)es$", "$1"}, {"([ml|])ice$", "$1ouse"},
    {"(x|ch|ss|sh)es$", "$1"}, {"(m)ovies$", "$1ovie"}, {"(.)ombies$", "$1ombie"}, {"(s)eries$", "$1eries"},
    {"([^aeiouy]|qu)ies$", "$1y"}, {"([aeo]l)ves$", "$1f"}, {"([^d]ea)ves$", "$1f"}, {"arves$", "arf"}, {"erves$", "erve"},
    {"([nlw]i)ves$", "$1fe"}, {"([lr])ves$", "$1f"}, {"([aeo])ves$", "$1ve"}, {"(sive)s$", "$1"}, {"(tive)s$", "$1"},
    {"(hive)s$", "$1"}, {"([^f])ves$", "$1fe"}, {"(^analy)ses$", "$1sis"},
    {"((a)naly|(b)a|(d)iagno|(p)arenthe|(p)rogno|(s)ynop|(t)he)ses$", "$1$2sis"}, {"(.)opses$", "$1opsis"},
    {"(.)yses$", "$1ysis"}, {"(h|d|r|o|n|b|cl|p)oses$", "$1ose"},
    {"(fruct|gluc|galact|lact|ket|malt|rib|sacchar|cellul)ose$", "$1ose"}, {"(.)oses$", "$1osis"}, {"([ti])a$", "$1um"},
    {"(n)ews$", "$1ews"}, {"s$", ""},
};

/* Words that have no plural of their own. */
static const char *const fixed[] = {
    "bison", "debris", "headquarters", "pincers", "trout", "bream", "diabetes", "herpes", "pliers", "tuna", "breeches", "djinn",
    "high-jinks", "proceedings", "whiting", "britches", "eland", "homework", "rabies", "wildebeest", "carp", "elk", "innings",
    "salmon", "chassis", "flounder", "jackanapes", "scissors", "christmas", "gallows", "mackerel", "series", "clippers",
    "georgia", "measles", "shears", "cod", "graffiti", "mews", "species", "contretemps", "mumps", "swine", "corps", "news",
    "swiss", "advice", "equipment", "happiness", "luggage", "software", "bread", "fruit", "information", "mathematics",
    "progress", "understanding", "butter", "furniture", "ketchup", "mayonnaise", "research", "water", "cheese", "garbage",
    "knowledge", "meat", "rice", "electricity", "gravel", "love", "mustard", "sand"};

/* Their plural is the word and s. */
static const char *const ie[] = {
    "alergie", "cutie", "hoagie", "newbie", "softie", "veggie", "auntie", "doggie", "hottie", "nightie", "sortie", "weenie",
    "beanie", "eyrie", "indie", "oldie", "stoolie", "yuppie", "birdie", "freebie", "junkie", "sweetie", "zombie", "bogie",
    "goonie", "laddie", "pixie", "techie", "bombie", "groupie", "laramie", "quickie", "collie", "hankie", "lingerie", "reverie",
    "toughie", "cookie", "hippie", "meanie", "rookie", "valkyrie"};

static const char *const irregular[][2] = {
    {"atlantes", "atlas"}, {"atlases", "atlas"}, {"axes", "axe"}, {"beeves", "beef"}, {"brethren", "brother"},
    {"children", "child"}, {"corpora", "corpus"}, {"corpuses", "corpus"}, {"ephemerides", "ephemeris"}, {"feet", "foot"},
    {"ganglia", "ganglion"}, {"geese", "goose"}, {"genera", "genus"}, {"genii", "genie"}, {"graffiti", "graffito"},
    {"helves", "helve"}, {"kine", "cow"}, {"leaves", "leaf"}, {"loaves", "loaf"}, {"men", "man"}, {"mongooses", "mongoose"},
    {"monies", "money"}, {"moves", "move"}, {"mythoi", "mythos"}, {"numena", "numen"}, {"occipita", "occiput"},
    {"octopodes", "octopus"}, {"opera", "opus"}, {"opuses", "opus"}, {"our", "my"}, {"oxen", "ox"}, {"penes", "penis"},
    {"penises", "penis"}, {"people", "person"}, {"sexes", "sex"}, {"soliloquies", "soliloquy"}, {"teeth", "tooth"},
    {"testes", "testis"}, {"trilbys", "trilby"}, {"turves", "turf"}, {"zoa", "zoon"}};

pc_status pc_singular_new(pc_singular **out)
{
    pc_singular *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(self, "rules of words"));
    PC_GO(pc_rewriter_new(&self->rules, rules, sizeof rules / sizeof *rules));
    *out = self;
    return PC_OK;
done:
    pc_singular_free(self);
    return status;
}

void pc_singular_free(pc_singular *self)
{
    if (self) {
        pc_rewriter_free(self->rules);
        pc_free(self);
    }
}

pc_status pc_singular_of(const pc_singular *self, pc_str *word)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (pc_ends_with(fixed[i], word->data)) {
            return PC_OK;
        }
    }
    for (size_t i = 0; i < sizeof ie / sizeof *ie; i++) {
        size_t length = strlen(ie[i]) + 1;
        if (word->length >= length && word->data[word->length - 1] == 's' &&
            memcmp(word->data + word->length - length, ie[i], length - 1) == 0) {
            return PC_OK; /* as it is */
        }
    }
    for (size_t i = 0; i < sizeof irregular / sizeof *irregular; i++) {
        if (pc_ends_with(word->data, irregular[i][0])) {
            word->length -= strlen(irregular[i][0]);
            return pc_str_puts(word, irregular[i][1]);
        }
    }
    return pc_rewrite_first(self->rules, word);
}
