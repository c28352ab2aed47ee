/* Every kind of tokenizer, in the order in which they are asked whether they know a file. */
PC_TEXT_KIND(piped)
PC_TEXT_KIND(sentencepiece)
PC_TEXT_KIND(tiktoken)
PC_TEXT_KIND(vocab_txt)
PC_TEXT_KIND(llama2c)
