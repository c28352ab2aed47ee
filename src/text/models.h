/* Every model that a tokenizer.json may have. */
PC_WORD_MODEL(bpe)
PC_WORD_MODEL(unigram)
PC_WORD_MODEL(wordpiece)
PC_WORD_MODEL(wordlevel)
