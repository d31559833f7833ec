"""Which languages an embedding model knows: it is asked, instead of believed.

A model that was made for English gives vectors of Korean too, and they harm: fused into a good ranking of Chinese
messages, those of MiniLM cost a quarter of what it found. So before a question's vector is used, the model has to tell a
paraphrase, in the question's language, from a sentence that shares more words with the original and means another thing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from recollect.recall.embedders import Embedder

NEEDED = 4
"""Of five. A model that does not know a language goes by what looks alike, and gets none right: all-MiniLM-L6-v2 has five
in English and none in each of the others."""

Triple = tuple[str, str, str]
"""A sentence, one that says the same in other words, one that says another thing in the same words."""

TRIPLES: dict[str, tuple[Triple, ...]] = {
    "english": (
        ("The doctor told me to rest.", "My physician said I should take it easy.", "The doctor told me a story of trains."),
        ("She bought a car last week.", "A vehicle was purchased by her some days ago.", "She bought bread last week."),
        ("It rained all night.", "There was heavy rainfall until morning.", "It snored all night."),
        ("Our flight was cancelled.", "The airline called off our trip.", "Our contract was cancelled."),
        ("He is afraid of dogs.", "Canines frighten him.", "He is fond of dogs' owners."),
    ),
    "german": (
        ("Der Arzt sagte, ich soll mich ausruhen.", "Mein Doktor meinte, ich brauche Erholung.", "Der Arzt sagte, der Zug fährt ab."),
        ("Sie hat sich einen Wagen gekauft.", "Ein neues Auto gehört jetzt ihr.", "Sie hat sich einen Kuchen gekauft."),
        ("Es regnete die ganze Nacht.", "Bis zum Morgen gab es heftigen Niederschlag.", "Es roch die ganze Nacht."),
        ("Unser Flug fiel aus.", "Die Fluglinie hat die Reise gestrichen.", "Unser Unterricht fiel aus."),
        ("Er fürchtet sich vor Hunden.", "Vierbeiner machen ihm Angst.", "Er freut sich vor Ostern."),
    ),
    "french": (
        ("Le médecin m'a dit de me reposer.", "Mon docteur me conseille du repos.", "Le médecin m'a dit de prendre le train."),
        ("Elle a acheté une voiture.", "Elle possède une nouvelle automobile.", "Elle a acheté une baguette."),
        ("Il a plu toute la nuit.", "La pluie est tombée jusqu'au matin.", "Il a lu toute la nuit."),
        ("Notre vol a été annulé.", "La compagnie aérienne a supprimé notre départ.", "Notre contrat a été annulé."),
        ("Il a peur des chiens.", "Les canidés l'effraient.", "Il a soin des chiffres."),
    ),
    "spanish": (
        ("El médico me dijo que descansara.", "El doctor me recomendó reposo.", "El médico me dijo que el tren salía."),
        ("Ella compró un coche.", "Adquirió un automóvil nuevo.", "Ella compró un pastel."),
        ("Llovió toda la noche.", "Hubo fuertes lluvias hasta la mañana.", "Lloró toda la noche."),
        ("Nuestro vuelo fue cancelado.", "La aerolínea suspendió el viaje.", "Nuestro contrato fue cancelado."),
        ("Tiene miedo a los perros.", "Los canes lo asustan.", "Tiene cariño a los primos."),
    ),
    "cyrillic": (
        ("Врач велел мне отдыхать.", "Доктор посоветовал мне покой.", "Врач велел мне купить билет."),
        ("Она купила машину.", "У неё теперь новый автомобиль.", "Она купила малину."),
        ("Всю ночь шёл дождь.", "До утра лил ливень.", "Всю ночь шёл поезд."),
        ("Наш рейс отменили.", "Авиакомпания сняла полёт с расписания.", "Наш урок отменили."),
        ("Он боится собак.", "Псы его пугают.", "Он боится экзамена."),
    ),
    "hangul": (
        ("의사가 쉬라고 했어요.", "병원에서 안정을 취하래요.", "의사가 기차를 타라고 했어요."),
        ("그녀는 차를 샀다.", "그 여자에게 새 자동차가 생겼다.", "그녀는 빵을 샀다."),
        ("밤새 비가 내렸다.", "아침까지 폭우가 쏟아졌어.", "밤새 버스가 달렸다."),
        ("우리 비행기가 취소됐어.", "항공편이 없어졌대.", "우리 수업이 취소됐어."),
        ("그는 개를 무서워한다.", "강아지만 보면 겁을 먹는 사람이야.", "그는 시험을 무서워한다."),
    ),
    "cjk": (
        ("医生让我休息。", "大夫叫我静养。", "医生让我坐火车。"),
        ("她买了一辆车。", "那位女士有了新轿车。", "她买了一块面包。"),
        ("下了一整夜的雨。", "直到天亮都是倾盆而下。", "唱了一整夜的歌。"),
        ("我们的航班取消了。", "飞机不飞了,走不成。", "我们的课取消了。"),
        ("他怕狗。", "犬类让那个人恐惧。", "他怕冷。"),
    ),
    "hiragana": (
        ("医者に休むように言われた。", "ドクターから安静を勧められました。", "医者に電車に乗るように言われた。"),
        ("彼女は車を買った。", "新しい自動車を手に入れたそうです。", "彼女はパンを買った。"),
        ("一晩中雨が降った。", "朝までどしゃぶりでした。", "一晩中歌が続いた。"),
        ("私たちの便が欠航になった。", "飛行機が飛ばなくなってしまいました。", "私たちの授業が休講になった。"),
        ("彼は犬が怖い。", "わんこを見るとおびえてしまう人です。", "彼は試験が怖い。"),
    ),
    "arabic": (
        ("طلب مني الطبيب أن أرتاح.", "نصحني الدكتور بالراحة.", "طلب مني الطبيب أن أركب القطار."),
        ("اشترت سيارة.", "صار عندها مركبة جديدة.", "اشترت خبزا."),
        ("أمطرت طوال الليل.", "هطل المطر حتى الصباح.", "غنت طوال الليل."),
        ("ألغيت رحلتنا الجوية.", "لن تقلع طائرتنا.", "ألغيت محاضرتنا."),
        ("هو يخاف من الكلاب.", "ترعبه الجراء.", "هو يخاف من الامتحان."),
    ),
}  # fmt: skip
"""By what `recollect.recall.question.kinds` calls a language, or a script where that says it. Made for this."""

_LIKE = {"katakana": "hiragana"}
_LATIN = ("german", "french", "spanish")


def knows(embedder: Embedder, kinds: Collection[str]) -> frozenset[str]:
    """Of a question's kinds those that the embedder knows; a language without triples is known where its like is.

    Parameters
    ----------
    kinds: of `recollect.recall.question.kinds`. Raises what the embedder raises.
    """
    return frozenset(kind for kind in kinds if kind != "latin" and _knows(embedder, _LIKE.get(kind, kind), kinds))


def _knows(embedder: Embedder, kind: str, kinds: Collection[str]) -> bool:
    if kind in TRIPLES:
        return _passes(embedder, TRIPLES[kind])
    if "latin" in kinds:
        return sum(_passes(embedder, TRIPLES[other]) for other in _LATIN) >= 2
    return all(_passes(embedder, TRIPLES[other]) for other in ("cyrillic", "arabic"))


def _passes(embedder: Embedder, triples: tuple[Triple, ...]) -> bool:
    import numpy as np

    vectors: Any = np.asarray(embedder.embed([text for triple in triples for text in triple]), dtype=np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    anchors, same, others = vectors[0::3], vectors[1::3], vectors[2::3]
    right = np.sum(anchors * same, axis=1) > np.sum(anchors * others, axis=1)
    return int(right.sum()) >= NEEDED
