"""The sentences by which people say plainly what they like and who they are: the table of the rule-based extractor.

A rule matches a whole sentence, without the marks at its end. Named groups are pieces of it: ``x`` what it is about, ``y``
what is said of that. Templates are filled with them.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """One form of sentence.

    Parameters
    ----------
    pattern: of the whole sentence. content: of the statement. kind: ``fact`` or ``preference``.
    slot: a statement with the same slot holds no longer; empty for what can be said of many things at once.
    key, listed, opposite: of the preference that is suggested, see `Statement`; its value is ``{y}`` if there is one.
    korean: whether the pieces are Korean, with particles that follow their sound.
    """

    pattern: re.Pattern[str]
    content: str
    kind: str = "fact"
    slot: str = ""
    key: str | None = None
    listed: bool = False
    opposite: str | None = None
    korean: bool = False


def _english(pattern: str, content: str, kind: str = "fact", slot: str = "", **more: object) -> Rule:
    return Rule(re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE), content, kind, slot, **more)  # type: ignore[arg-type]


def _korean(pattern: str, content: str, kind: str = "fact", slot: str = "", **more: object) -> Rule:
    return Rule(re.compile(pattern.replace(" ", r"\s+")), content, kind, slot, korean=True, **more)  # type: ignore[arg-type]


_VERY = r"(?:(?:really|absolutely|truly|just|also|definitely|still|always|do|personally) )*"
_AM = r"(?:I am|I['’]m|im)"
_HAVE = r"(?:I have|I['’]ve got|I have got|I've)"
_NOT = r"(?:don['’]t|do not)"
_PET = r"(?P<x>dog|cat|puppy|kitten|parrot|rabbit|hamster|horse|turtle)"
_KIN = r"(?P<x>wife|husband|partner|girlfriend|boyfriend|son|daughter|brother|sister|mother|father|mom|dad)"
_NAME = r"(?P<y>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)"
_PLACE = r"(?P<x>(?-i:[A-Z])[\w.'’-]+(?:,? (?-i:[A-Z])[\w.'’-]+){0,3})"
_THING = r"(?:also )?(?P<x>[^,;:()]+)"

_LIKES = {"kind": "preference", "slot": "likes {x}", "key": "likes", "listed": True, "opposite": "dislikes"}
_DISLIKES = {"kind": "preference", "slot": "likes {x}", "key": "dislikes", "listed": True, "opposite": "likes"}

ENGLISH = [
    _english(rf"I {_VERY}(?:like|love|enjoy|adore) {_THING}", "Likes {x}.", **_LIKES),  # type: ignore[arg-type]
    _english(rf"{_AM} {_VERY}(?:fond of|a (?:big |huge )?fan of) {_THING}", "Likes {x}.", **_LIKES),  # type: ignore[arg-type]
    _english(
        rf"I {_VERY}(?:hate|dislike|detest|can['’]t stand|cannot stand|{_NOT} {_VERY}(?:like|enjoy|love)) {_THING}",
        "Does not like {x}.",
        **_DISLIKES,  # type: ignore[arg-type]
    ),
    _english(rf"{_AM} not (?:fond of|a (?:big |huge )?fan of) {_THING}", "Does not like {x}.", **_DISLIKES),  # type: ignore[arg-type]
    _english(
        rf"I {_VERY}prefer (?P<x>[^,;:()]+?) (?:to|over|rather than) (?P<y>[^,;:()]+)",
        "Prefers {x} to {y}.",
        "preference",
        "prefers {pair}",
        key="prefers",
        listed=True,
    ),
    _english(rf"I {_VERY}prefer {_THING}", "Prefers {x}.", "preference", "prefers {x}", key="prefers", listed=True),
    _english(
        r"my (?:all[- ]time )?favou?rite (?P<x>[\w'’-]+(?: [\w'’-]+){0,2}) (?:is|are) (?P<y>[^,;:()]+)",
        "Favourite {x}: {y}.",
        "preference",
        "favourite {x}",
        key="favourite_{x}",
    ),
    _english(
        r"(?P<y>[^,;:()]+) (?:is|are) my (?:all[- ]time )?favou?rite (?P<x>[\w'’-]+(?: [\w'’-]+){0,2})",
        "Favourite {x}: {y}.",
        "preference",
        "favourite {x}",
        key="favourite_{x}",
    ),
    _english(rf"(?:I|we) (?:currently |now )?live in {_PLACE}(?: now)?", "Lives in {x}.", slot="lives in"),
    _english(
        rf"(?:{_AM}|we are|we['’]re) (?:currently |now )?living in {_PLACE}(?: now)?", "Lives in {x}.", slot="lives in"
    ),
    _english(
        rf"(?:I|we)(?: have|['’]ve)?(?: just| recently)? moved to {_PLACE}(?: (?:last|this) \w+| recently)?",
        "Lives in {x}.",
        slot="lives in",
    ),
    _english(rf"{_AM} (?:originally )?from {_PLACE}", "Is from {x}.", slot="is from"),
    _english(rf"I (?:currently |now )?work (?:at|for) {_PLACE}(?: now)?", "Works at {x}.", slot="works at"),
    _english(
        rf"(?:I (?:currently |now )?work|{_AM} (?:currently |now )?working) as (?P<x>an? [^,;:()]+)",
        "Works as {x}.",
        slot="works as",
    ),
    _english(rf"{_AM} (?P<x>(?:severely |very |slightly )?allergic to [^,;:()]+)", "Is {x}.", slot="{x}"),
    _english(rf"{_AM} not allergic to {_THING}", "Is not allergic to {x}.", slot="allergic to {x}"),
    _english(rf"{_HAVE} an? (?P<x>[\w -]+?) allergy", "Is allergic to {x}.", slot="allergic to {x}"),
    _english(rf"{_AM} (?:a )?(?P<x>vegetarian|vegan|pescatarian)(?: now)?", "Is {x}.", slot="diet"),
    _english(rf"{_AM} (?P<x>(?:lactose|gluten) intolerant)", "Is {x}.", slot="{x}"),
    _english(
        rf"my {_PET}(?:['’]s name is| is (?:called|named)) (?-i:{_NAME})", "Has a {x} called {y}.", slot="{x} {y}"
    ),
    _english(rf"{_HAVE} an? {_PET} (?:called|named) (?-i:{_NAME})", "Has a {x} called {y}.", slot="{x} {y}"),
    _english(rf"my {_KIN}(?:['’]s name is| is (?:called|named)) (?-i:{_NAME})", "{X}'s name: {y}.", slot="{x} {y}"),
    _english(rf"my name is (?-i:{_NAME})", "Name: {y}.", slot="name"),
    _english(r"my birthday is (?:on )?(?P<x>[\w ,]*\d[\w ,]*)", "Birthday: {x}.", slot="birthday"),
]

_SELF = r"(?:나는|난|저는|전|제가|내가)"
_MUCH = r"(?:(?:정말|아주|매우|제일|가장|너무|진짜|무척|참|특히) )?"
_X = r"(?P<x>[^,、;:()]+?)"
_IS = r"(?:이에요|예요|입니다|이야|야|이다)"

_LIKES_KOREAN = {**_LIKES, "slot": "좋아하다 {x}"}
_DISLIKES_KOREAN = {**_DISLIKES, "slot": "좋아하다 {x}"}

KOREAN = [
    _korean(
        rf"{_SELF} {_X}(?:을|를) {_MUCH}(?:좋아해요?|좋아합니다|좋아한다|좋아하는 편이에요|즐겨요|즐깁니다)",
        "{x:을} 좋아한다.",
        **_LIKES_KOREAN,  # type: ignore[arg-type]
    ),
    _korean(rf"{_SELF} {_X}(?:이|가) {_MUCH}(?:좋아요?|좋습니다|좋다)", "{x:을} 좋아한다.", **_LIKES_KOREAN),  # type: ignore[arg-type]
    _korean(
        rf"{_SELF} {_X}(?:을|를|은|는) {_MUCH}(?:안 좋아해요?|안 좋아합니다|(?:별로 )?좋아하지 (?:않아요?|않습니다|않는다))",
        "{x:을} 좋아하지 않는다.",
        **_DISLIKES_KOREAN,  # type: ignore[arg-type]
    ),
    _korean(
        rf"{_SELF} {_X}(?:을|를) {_MUCH}(?:싫어해요?|싫어합니다|싫어한다)",
        "{x:을} 싫어한다.",
        **_DISLIKES_KOREAN,  # type: ignore[arg-type]
    ),
    _korean(rf"{_SELF} {_X}(?:이|가) {_MUCH}(?:싫어요?|싫습니다|싫다)", "{x:을} 싫어한다.", **_DISLIKES_KOREAN),  # type: ignore[arg-type]
    _korean(
        rf"(?:제가|내가) (?:가장|제일) 좋아하는 (?P<x>[^,\s]+(?: [^,\s]+)?)(?:은|는) (?P<y>[^,]+?){_IS}",
        "가장 좋아하는 {x:은} {y:이다}.",
        "preference",
        "좋아하는 {x}",
        key="favourite_{x}",
    ),
    _korean(
        rf"{_SELF} (?:지금 |현재 )?(?P<x>\S+(?: \S+)?)에(?:서)? (?:살아요?|삽니다|산다|살고 있(?:어요?|습니다|다))",
        "{x}에 산다.",
        slot="살다",
    ),
    _korean(
        rf"{_SELF} (?:최근에 |얼마 전에 )?(?P<x>\S+)(?:으로|로) 이사(?:했어요?|했습니다|왔어요?|왔습니다)",
        "{x}에 산다.",
        slot="살다",
    ),
    _korean(
        rf"{_SELF} (?:지금 |현재 )?(?P<x>\S+(?: \S+)?)에서 (?:일해요?|일합니다|일한다|근무해요?|근무합니다|일하고 있(?:어요?|습니다|다))",
        "{x}에서 일한다.",
        slot="일하다",
    ),
    _korean(
        rf"(?:{_SELF} )?(?P<x>[^,\s]+?)(?:에)? ?알레르기가? (?:심하게 )?있(?:어요?|습니다|다)",
        "{x} 알레르기가 있다.",
        slot="알레르기 {x}",
    ),
    _korean(
        rf"(?:{_SELF} )?(?P<x>[^,\s]+?)(?:에)? ?알레르기가? 없(?:어요?|습니다|다)",
        "{x} 알레르기가 없다.",
        slot="알레르기 {x}",
    ),
    _korean(rf"{_SELF} (?P<x>채식주의자|비건){_IS}", "{x:이다}.", slot="diet"),
    _korean(
        rf"(?:제|내|우리(?: 집)?) (?P<x>강아지|고양이|개|토끼|햄스터) 이름은 (?P<y>[^,\s]+?){_IS}",
        "{x} 이름은 {y:이다}.",
        slot="{x} 이름 {y}",
    ),
    _korean(rf"(?:제|내) 이름은 (?P<y>[^,\s]+?){_IS}", "이름은 {y:이다}.", slot="name"),
    _korean(
        rf"(?:제|내) 생일은 (?P<y>[^,]*\d[^,]*?){_IS}",
        "생일은 {y:이다}.",
        slot="birthday",
    ),
]

OPENING = re.compile(
    r"(?:(?:well|oh|and|but|so|yes|yeah|no|hi|hello|hey|actually|honestly|by the way|btw|also|personally|you know"
    r"|as for me|i mean|wow|haha|thanks|그리고|근데|그런데|네|아니요|음|사실|참고로|아|안녕하세요|안녕)[,!.]?\s+)+",
    re.IGNORECASE,
)
"""What may stand before a statement without changing it."""

CLOSING = re.compile(
    r",?\s+(?:a lot|any ?more|any longer|at all|very much|so much|too|as well|though|by the way|btw|these days|the most|the best|more than anything)\Z",
    re.IGNORECASE,
)
"""What may stand behind one."""

CLAUSE = re.compile(
    r",\s+|;\s*|\s+(?:but|because|since|so|although|while|and (?=I\b|my\b|we\b)|and then)\s+|\s+[-–—]\s+", re.IGNORECASE
)
"""Where a sentence goes on with another clause."""

NOT_PLAIN = re.compile(
    r"[\"“”«»「」『』*`?？]|(?<!\w)['‘][^'’]+['’](?!\w)|\b(?:if|would|wouldn['’]t|wish|could|might|maybe|perhaps|probably|imagine|suppose|pretend|used to"
    r"|when I was|as a kid|as a child|back then|said|says|saying|told|tells|asked|asks|think|thinks|unless|whether|thought|hope|hopes|should"
    r"|lol|jk|kidding|joking|joke)\b|만약|라면|다면|(?:으|하)면 |싶|라고|다고|대요|래요|냐고|[가-힣]까\b|였으면|했으면|것 같|아마|혹시|농담|예전에|어렸을|옛날",
    re.IGNORECASE,
)
"""Questions, quotations, hypotheses, hearsay, the past: a sentence with one of these says nothing plainly."""

UNCLEAR = re.compile(
    r"(?:it|that|this|these|those|them|him|her|you|your|yours|his|hers|its|their|theirs|our|ours|how|what|when|where|who|why|the|one|both|all"
    r"|everything|something|anything|nothing|some|any|each|every|seeing|hearing|being able|to (?:hear|see|know|think|say|tell|ask|have|get|do|be|help)"
    r"|things?|parts?|to\Z|much|more|most|here|there|us|me|myself|such|so|and|or|of|is|was|are|my)\b"
    r"|(?:그|이|저|그것|이것|저것|이거|그거|저거|너|당신|네|그게|이게|여기|거기|그런|이런|저런|뭐|무엇|우리|누가|누구|것|거)[을를이가은는도의]?(?:\s|\Z)",
    re.IGNORECASE,
)
"""How a piece begins that only its conversation explains."""

UNCLEAR_INSIDE = re.compile(
    r"\b(?:it|that|this|these|those|you|your|which|who|him|her|them|itself|himself|herself|us)\b|\s[-–—]\s|\bthe (?:same|one)\b|\bnot\b",
    re.IGNORECASE,
)
"""Words inside a piece that only its conversation explains."""

MOST_WORDS = 8
