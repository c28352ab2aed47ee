/* Scenes -> dataset directory. Scenes are made in batches: worker threads draw, render and compress them and prepare
 * their lines of text; then this thread appends the lines in order. */
#include "data/scenes_write.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"
#include "data/scenes_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32, NAME = 64 };

/* The text files of a dataset, in the order of a scene's texts. */
enum { TRAIN, CAPTIONS, QUESTIONS, SCENES, FILES };
static const char *const file_names[FILES] = {"train.json", "captions.json", "questions.jsonl", "scenes.jsonl"};

static bool is_list(int file)
{
    return file == TRAIN || file == CAPTIONS;
}

/* What a worker makes of one scene. */
typedef struct made {
    pc_str text[FILES];
    pc_status status;
    char error[256]; /* messages are kept by thread, so a worker's one is carried over */
} made;

typedef struct batch {
    const pc_scene_set *set;
    const char *images; /* folder */
    int64_t first;
    made *made; /* [BATCH] */
} batch;

static pc_json *text_node(const char *text)
{
    return pc_json_new_text(text);
}

static pc_status add_turn(pc_json *turns, const char *from, const char *text)
{
    pc_json *turn = pc_json_new_object();
    pc_status status;
    PC_GO(pc_json_set(turn, "from", text_node(from)));
    PC_GO(pc_json_set(turn, "value", text_node(text)));
    return pc_json_push(turns, turn);
done:
    pc_json_free(turn);
    return status;
}

/* {"id", "image", "conversations": turns}; takes turns. */
static pc_status write_conversation(pc_str *out, const char *id, const char *image, pc_json *turns)
{
    pc_json *object = pc_json_new_object();
    pc_status named = pc_json_set(object, "id", text_node(id));
    pc_status pictured = pc_json_set(object, "image", text_node(image));
    pc_status status = pc_json_set(object, "conversations", turns); /* takes turns also when it fails */
    PC_GO(status);
    PC_GO(named);
    PC_GO(pictured);
    PC_GO(pc_json_write(out, object, 0));
done:
    pc_json_free(object);
    return status;
}

static pc_status write_train(pc_str *out, const char *id, const char *image, const pc_scene_question *questions, int count)
{
    pc_json *turns = pc_json_new_array();
    pc_status status;
    for (int i = 0; i < count; i++) {
        char value[PC_SCENE_TEXT + 16];
        snprintf(value, sizeof value, "%s%s", i == 0 ? "<image>\n" : "", questions[i].question);
        PC_GO(add_turn(turns, "human", value));
        PC_GO(add_turn(turns, "gpt", questions[i].answer));
    }
    return write_conversation(out, id, image, turns);
done:
    pc_json_free(turns);
    return status;
}

static pc_status write_caption(pc_str *out, const char *id, const char *image, const pc_scene_caption *caption)
{
    pc_json *turns = pc_json_new_array();
    char value[PC_SCENE_TEXT + 16];
    pc_status status;
    snprintf(value, sizeof value, "<image>\n%s", caption->request);
    PC_GO(add_turn(turns, "human", value));
    PC_GO(add_turn(turns, "gpt", caption->text));
    return write_conversation(out, id, image, turns);
done:
    pc_json_free(turns);
    return status;
}

static pc_status write_questions(pc_str *out, const char *id, const char *image, const pc_scene_question *questions,
                                 int count)
{
    pc_json *object = NULL;
    pc_status status = PC_OK;
    for (int i = 0; i < count; i++) {
        char name[NAME + 16];
        snprintf(name, sizeof name, "%s-%d", id, i);
        object = pc_json_new_object();
        PC_GO(pc_json_set(object, "id", text_node(name)));
        PC_GO(pc_json_set(object, "image", text_node(image)));
        PC_GO(pc_json_set(object, "question", text_node(questions[i].question)));
        PC_GO(pc_json_set(object, "answer", text_node(questions[i].answer)));
        PC_GO(pc_json_set(object, "kind", text_node(pc_scene_kind_name(questions[i].kind))));
        PC_GO(pc_json_set(object, "form", text_node(questions[i].sentence ? "sentence" : "word")));
        PC_GO(pc_json_write(out, object, 0));
        PC_GO(pc_str_putc(out, '\n'));
        pc_json_free(object);
        object = NULL;
    }
done:
    pc_json_free(object);
    return status;
}

static pc_status object_node(pc_json **out, const pc_scene *scene, const pc_scene_object *object)
{
    const pc_scene_language *words = &pc_scene_english;
    pc_json *node = pc_json_new_object(), *list = pc_json_new_array();
    char glyph[2] = {object->glyph, '\0'};
    float box[4], scale = (float)scene->side / PC_SCENE_UNIT;
    pc_status status;
    pc_scene_box(object, box);
    for (int i = 0; i < 4; i++) {
        PC_GO(pc_json_push(list, pc_json_new_number((double)(int)(box[i] * scale * 100 + 0.5f) / 100)));
    }
    PC_GO(pc_json_set(node, "shape", text_node(words->nouns[object->noun])));
    if (object->glyph) {
        PC_GO(pc_json_set(node, "text", text_node(glyph)));
        PC_GO(pc_json_set(node, "face", pc_json_new_integer(object->face)));
    }
    PC_GO(pc_json_set(node, "colour", text_node(words->colours[object->colour])));
    PC_GO(pc_json_set(node, "size", text_node(words->sizes[object->size])));
    PC_GO(pc_json_set(node, "texture", text_node(words->textures[object->texture])));
    status = pc_json_set(node, "box", list);
    list = NULL;
    PC_GO(status);
    *out = node;
    return PC_OK;
done:
    pc_json_free(list);
    pc_json_free(node);
    return status;
}

static pc_status write_scene(pc_str *out, const char *id, const char *image, const pc_scene *scene)
{
    pc_json *object = pc_json_new_object(), *list = pc_json_new_array(), *node = NULL;
    pc_status status;
    PC_GO(pc_json_set(object, "id", text_node(id)));
    PC_GO(pc_json_set(object, "image", text_node(image)));
    PC_GO(pc_json_set(object, "side", pc_json_new_integer(scene->side)));
    PC_GO(pc_json_set(object, "background", text_node(scene->background.dark ? "dark" : "light")));
    for (int i = 0; i < scene->count; i++) {
        PC_GO(object_node(&node, scene, &scene->objects[i]));
        PC_GO(pc_json_push(list, node));
    }
    status = pc_json_set(object, "objects", list);
    list = NULL;
    PC_GO(status);
    PC_GO(pc_json_write(out, object, 0));
    PC_GO(pc_str_putc(out, '\n'));
done:
    pc_json_free(list);
    pc_json_free(object);
    return status;
}

static pc_status save_picture(const pc_scene *scene, const char *folder, const char *name)
{
    pc_image *picture = NULL;
    pc_status status;
    char *path = pc_path_join(folder, name);
    if (!path) {
        return pc_fail_memory(strlen(folder) + strlen(name), "a path");
    }
    PC_GO(pc_scene_image(&picture, scene));
    PC_GO(pc_image_save_png(picture, path));
done:
    pc_image_free(picture);
    pc_free(path);
    return status;
}

static pc_status make_scene(made *out, const batch *b, int64_t index)
{
    const pc_scene_language *language = b->set->languages[index % b->set->language_count];
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    pc_scene_caption caption;
    char id[NAME], file[NAME], image[NAME + 16];
    PC_TRY(pc_scene_draw(&scene, b->set->seed, (uint64_t)index, &b->set->options));
    snprintf(id, sizeof id, "%06" PRId64, index);
    snprintf(file, sizeof file, "%06" PRId64 ".png", index);
    snprintf(image, sizeof image, "images/%s", file);
    PC_TRY(save_picture(&scene, b->images, file));
    int count = pc_scene_questions(&scene, language, questions);
    pc_scene_caption_write(&caption, &scene, language, index % 2 != 0);
    PC_TRY(write_train(&out->text[TRAIN], id, image, questions, count));
    PC_TRY(write_caption(&out->text[CAPTIONS], id, image, &caption));
    PC_TRY(write_questions(&out->text[QUESTIONS], id, image, questions, count));
    return write_scene(&out->text[SCENES], id, image, &scene);
}

static void work(void *context, int64_t item, int thread)
{
    batch *b = context;
    made *m = &b->made[item];
    (void)thread;
    m->status = make_scene(m, b, b->first + item);
    if (m->status != PC_OK) {
        snprintf(m->error, sizeof m->error, "%s", pc_error());
    }
}

/* The text files while they are written: under a temporary name until all is good. */
typedef struct output {
    FILE *stream;
    char *path, *temporary;
} output;

static pc_status output_open(output *out, const char *directory, const char *name)
{
    char temporary[NAME];
    snprintf(temporary, sizeof temporary, ".%s.part", name);
    out->path = pc_path_join(directory, name);
    out->temporary = pc_path_join(directory, temporary);
    if (!out->path || !out->temporary) {
        return pc_fail_memory(strlen(directory) + NAME, "a path");
    }
    out->stream = fopen(out->temporary, "w");
    return out->stream ? PC_OK : pc_fail(PC_ERR_IO, "%s: cannot be created: %s", out->temporary, strerror(errno));
}

static pc_status output_add(output *out, const char *bytes, size_t length)
{
    return fwrite(bytes, 1, length, out->stream) == length
               ? PC_OK
               : pc_fail(PC_ERR_IO, "%s: cannot be written: %s", out->temporary, strerror(errno));
}

static pc_status output_finish(output *out)
{
    bool good = fflush(out->stream) == 0 && fsync(fileno(out->stream)) == 0;
    good = fclose(out->stream) == 0 && good;
    out->stream = NULL;
    if (!good || rename(out->temporary, out->path) != 0) {
        return pc_fail(PC_ERR_IO, "%s: cannot be written: %s", out->path, strerror(errno));
    }
    return PC_OK;
}

static void output_clear(output *out)
{
    if (out->stream) {
        fclose(out->stream);
        remove(out->temporary);
    }
    pc_free(out->path);
    pc_free(out->temporary);
}

static pc_status append_batch(output outputs[FILES], const batch *b, int64_t count, bool first)
{
    for (int64_t i = 0; i < count; i++) {
        const made *m = &b->made[i];
        if (m->status != PC_OK) {
            return pc_fail(m->status, "%s", m->error);
        }
        for (int f = 0; f < FILES; f++) {
            if (is_list(f)) {
                PC_TRY(output_add(&outputs[f], first && i == 0 ? "[\n" : ",\n", 2));
            }
            PC_TRY(output_add(&outputs[f], m->text[f].data, m->text[f].length));
        }
    }
    return PC_OK;
}

static void reset_batch(batch *b)
{
    for (int i = 0; i < BATCH; i++) {
        for (int f = 0; f < FILES; f++) {
            pc_str_reset(&b->made[i].text[f]);
        }
    }
}

static pc_status write_all(output outputs[FILES], batch *b, pc_pool *pool)
{
    const pc_scene_set *set = b->set;
    for (int64_t at = 0; at < set->count; at += BATCH) {
        int64_t count = set->count - at < BATCH ? set->count - at : BATCH;
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped after %" PRId64 " of %" PRId64 " scenes", at, set->count);
        }
        b->first = set->first + at;
        reset_batch(b);
        pc_pool_run(pool, count, work, b);
        PC_TRY(append_batch(outputs, b, count, at == 0));
        if ((at / BATCH) % 128 == 127) {
            pc_log(PC_LOG_INFO, "%" PRId64 " of %" PRId64 " scenes", at + count, set->count);
        }
    }
    for (int f = 0; f < FILES; f++) {
        if (is_list(f)) {
            PC_TRY(output_add(&outputs[f], "\n]\n", 3));
        }
    }
    return PC_OK;
}

static pc_status version_text(pc_str *out, const pc_scene_set *set)
{
    PC_TRY(pc_str_printf(out, "%s\nseed %" PRIu64 "\nfirst %" PRId64 "\ncount %" PRId64 "\nside %d\n", PC_SCENE_VERSION,
                         set->seed, set->first, set->count, set->options.side ? set->options.side : PC_SCENE_UNIT));
    for (int i = 0; i < set->language_count; i++) {
        char hash[65];
        PC_TRY(pc_scene_hash(set->languages[i], hash));
        PC_TRY(pc_str_printf(out, "language %s sha256 %s\n", set->languages[i]->code, hash));
    }
    return PC_OK;
}

static pc_status write_version(const char *directory, const pc_scene_set *set)
{
    pc_str text = {0};
    char *path = pc_path_join(directory, "VERSION");
    pc_status status = path ? version_text(&text, set) : pc_fail_memory(strlen(directory) + 8, "a path");
    if (status == PC_OK) {
        status = pc_file_write(path, text.data, text.length);
    }
    pc_str_clear(&text);
    pc_free(path);
    return status;
}

pc_status pc_scene_set_write(const char *directory, const pc_scene_set *set, pc_pool *pool)
{
    output outputs[FILES] = {{0}};
    batch b = {.set = set};
    char *images = pc_path_join(directory, "images");
    pc_status status;
    if (!images) {
        return pc_fail_memory(strlen(directory) + 8, "a path");
    }
    b.images = images;
    PC_GO(PC_NEW_ARRAY(b.made, BATCH, "a batch of scenes"));
    PC_GO(pc_make_directories(images));
    for (int f = 0; f < FILES; f++) {
        PC_GO(output_open(&outputs[f], directory, file_names[f]));
    }
    PC_GO(write_all(outputs, &b, pool));
    for (int f = 0; f < FILES; f++) {
        PC_GO(output_finish(&outputs[f]));
    }
    PC_GO(write_version(directory, set));
done:
    for (int f = 0; f < FILES; f++) {
        output_clear(&outputs[f]);
    }
    for (int i = 0; b.made && i < BATCH; i++) {
        for (int f = 0; f < FILES; f++) {
            pc_str_clear(&b.made[i].text[f]);
        }
    }
    pc_free(b.made);
    pc_free(images);
    return status;
}

enum { HASHED = 64 };

static pc_status hash_scene(pc_str *bytes, const pc_scene_language *language, uint64_t index)
{
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    pc_scene_caption caption;
    uint8_t pixels[PC_SCENE_UNIT * PC_SCENE_UNIT * 3];
    PC_TRY(pc_scene_draw(&scene, 1, index, NULL));
    for (int i = 0; i < scene.count; i++) {
        const pc_scene_object *o = &scene.objects[i];
        PC_TRY(pc_str_printf(bytes, "%d %d %d %d %d %d %.4f %.4f %.4f\n", o->noun, o->colour, o->size, o->texture, o->face,
                             o->glyph, (double)o->x, (double)o->y, (double)o->radius));
    }
    pc_scene_render(&scene, pixels);
    PC_TRY(pc_str_add(bytes, (const char *)pixels, sizeof pixels));
    int count = pc_scene_questions(&scene, language, questions);
    for (int i = 0; i < count; i++) {
        PC_TRY(pc_str_printf(bytes, "%d %s %s\n", (int)questions[i].kind, questions[i].question, questions[i].answer));
    }
    for (int detailed = 0; detailed < 2; detailed++) {
        pc_scene_caption_write(&caption, &scene, language, detailed);
        PC_TRY(pc_str_printf(bytes, "%s %s\n", caption.request, caption.text));
    }
    return PC_OK;
}

pc_status pc_scene_hash(const pc_scene_language *language, char out_hex[65])
{
    pc_str bytes = {0};
    pc_status status = PC_OK;
    for (uint64_t index = 0; index < HASHED; index++) {
        PC_GO(hash_scene(&bytes, language, index));
    }
    pc_sha256(bytes.data, bytes.length, out_hex);
done:
    pc_str_clear(&bytes);
    return status;
}
