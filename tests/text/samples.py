"""Texts that the tokenizer tests share: small, English and Chinese, and the strings that break tokenizers."""

TEXT = """\
A language model reads a text word by word and says which word comes next.
It isn't told the rules; it counts what it has seen, and that's enough to write what it hasn't.
"What comes next?" asks the reader. "That depends on what came before," says the model.

大语言模型通过预测下一个词来学习语言。语言模型能够理解和生成文本，文本由词组成。
模型先在大量文本上预训练，再在具体任务上微调。\tGRU and attention, 2017; 42 words 😀 more words 😀.
""" * 3

ROUND_TRIPS = [
    "", "x", "\n", " ", "   ", " a", "a  b\t\tc \n\n d ", "I'm sure they'll say we've 'quoted' it's",
    "😀", "👩‍👩‍👧 family", "语言模型", "中文 and English，混合 text。", "é e\u0301 ﬁ", "\x00\x1c\x85\u2028\ufeff\ufffd",
    "<pad><unk><bos><eos>", "a<eos>b", "aaaaaaaaaaaaaaaa",
    "العربية हिन्दी ไทย 한국어", "1234 ½ Ⅷ", "\U0010ffff\ue000",
]
