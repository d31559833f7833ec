"""The numbers of the ranking, each with what it was measured to do.

Measured on the open data that ``bench/recall_quality.py`` reads, five LoCoMo conversations above all, and chosen in the
middle of where all five are flat. R@10 is the share of the answers among the first ten, in percent.
"""

K1 = 0.8
"""Saturation of a term's occurrences. Flat from 0.5 to 1.2 once neighbours count."""
B = 0.4
"""Normalisation by length; 0.75, the usual one, favours greetings. Flat from 0.2 to 0.6."""
SCENE = 0.3
"""Weight of the conversation's own BM25: R@50 +1; flat from 0.2 to 0.5."""
SCENE_K1, SCENE_B = 1.0, 0.5
ALONE = 2.0
"""What the terms of a memory count for, that has no neighbours and no conversation to add to them. A turn that answers
has as much from those as from itself: with less, a memory of the same words stood behind the turn every time and was
seldom among the first five; with 2.5 what is not remembered begins to lose."""
SPEAKER = 0.3
"""Of the score more for what the person named in the question said: multi-hop R@10 +3. More than 0.5 costs questions
that name the wrong person, which people do ask (LoCoMo's adversarial ones). A memory that names them is of them."""
TIME = 0.6
"""Of the score more for a document that says a time, when the question asks for one: temporal R@10 +2; flat to 0.8."""
QUESTION = 0.1
"""Of the score less for a question: it is seldom the answer. Flat from 0.05 to 0.2."""
OTHER = 0.3
"""Of the score less for a turn that speaks only of the other, unless the question does: R@5 +0.6, with vectors +1.2. Flat
from 0.15 to 0.45. More for one that speaks of who says it gives as much again at 50, but languages leave "I" out."""
DATE = 0.4
"""Of the best score, for a document of the time that the question speaks of; flat from 0.3 to 0.8."""
DATE_ALONE = 2.0
"""The same, when no word of the question but names and stop words is known: it is about its time then."""
FRINGE = 0.5
"""Strength of a time just after the one spoken of: one tells on Monday of the weekend."""
FRINGE_SECONDS = 4 * 86_400.0
STOP_WORD = 0.15
"""Weight of a stop word against another of the same rarity: R@10 +0.6; flat from 0.1 to 0.2."""
IDEOGRAPH, SYLLABLE = 0.7, 0.3
"""Weights of a single character beside the pairs that it is part of: a Han character is a word's root, a syllable is
not. MemoryBank in Chinese is best from 0.7 on, KorQuAD from 0.2 to 0.5."""
MEMBER, SYNONYM = 0.5, 0.5
"""Weights of what is of a word's kind and of what means the same (`concepts`), against the word itself: multi-hop R@10
+3, R@50 +1; flat from 0.4 to 0.7."""
BESIDE = 0.5
"""Of what a word itself adds, its kind and synonyms add less: R@10 +0.3, and a text that has all words of a query comes
before one with many synonyms of some. Flat from 0.5 to 1; multi-hop R@10 -1.4."""
OTHER_LANGUAGE = 0.5
"""Weight of a word's stem in a language that is not the query's: it may be another word's stem there."""
CANDIDATES = 2000
"""By their terms the best so many are ranked by all the rest. No part but a date or a vector more than doubles a score,
and what has those is a candidate in any case."""
REFINED = 300
"""Of the candidates the best so many get what stop words and single characters add; 1,000 change nothing."""
VECTOR = 0.5
"""Weight of the best cosine against the best lexical score: flat from 0.4 to 0.6; from 1.0 on it costs R@5."""
VECTOR_BEFORE, VECTOR_AFTER = 0.2, 0.1
"""Of a neighbour's cosine, the one before and the one after: R@10 +0.3; flat to 0.4 and 0.2."""
MAX_TERMS = 64
"""Of a longer query the rarest terms count."""
