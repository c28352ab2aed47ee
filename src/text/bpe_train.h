/* Training a byte-level BPE tokenizer (Sennrich et al. 2016, on bytes as GPT-2).
 *
 * Takes texts, counts their words (pre-tokens), merges the most frequent adjacent pair until the vocabulary is full.
 * Gives a tokenizer that saves as a tokenizer.json of transformers. Deterministic: equal texts in any order, in any
 * division into pc_bpe_trainer_feed calls of whole texts, give equal tokenizers; ties go to the pair with smaller ids.
 */
#ifndef PC_TEXT_BPE_TRAIN_H
#define PC_TEXT_BPE_TRAIN_H

#include "text/tokenizer.h"

/* How text is cut into words that no token crosses. */
typedef enum pc_bpe_pattern {
    PC_BPE_QWEN2 = 0, /* words with one leading mark or space, each digit by itself; the default */
    PC_BPE_GPT2,      /* words and numbers with an optional leading space */
} pc_bpe_pattern;

typedef struct pc_bpe_options {
    size_t vocab_size;           /* all tokens: special tokens + 256 bytes + merges; at least the first two */
    pc_bpe_pattern pattern;
    const char *const *specials; /* ids 0, 1, ... in this order; the caller's, copied */
    size_t special_count;
    size_t min_count;            /* pairs seen less often are not merged; 0 means 2 */
} pc_bpe_options;

/* Roles go by name: BOS "<s>" or "<|startoftext|>", EOS "</s>", "<|endoftext|>" or "<|im_end|>", PAD "<pad>" or
 * "<|pad|>", UNK "<unk>", whichever of them is among the specials. When there is a BOS named "<s>",
 * PC_TOKENIZE_ADD_SPECIAL puts it in front. */
typedef struct pc_bpe_trainer pc_bpe_trainer;

pc_status pc_bpe_trainer_new(pc_bpe_trainer **out, const pc_bpe_options *options);
void pc_bpe_trainer_free(pc_bpe_trainer *trainer);
/* Count the words of one whole text. Strings of special tokens in it are cut out, not learnt. */
pc_status pc_bpe_trainer_feed(pc_bpe_trainer *trainer, const char *text, size_t length);
/* Learn the merges. The vocabulary is smaller than asked for when no pair is left that is frequent enough. The trainer
 * is used up: free it. *out is the caller's. Polls pc_signal_pending (PC_ERR_INTERRUPTED). */
pc_status pc_bpe_trainer_finish(pc_bpe_trainer *trainer, pc_tokenizer **out);

/* All three in one call. */
pc_status pc_bpe_train(pc_tokenizer **out, const pc_bpe_options *options, const char *const *texts,
                       const size_t *lengths, size_t count);

#endif
