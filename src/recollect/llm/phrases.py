"""The offline answerer's own sentences, in the languages it speaks, and how it knows which one to use."""

from __future__ import annotations

import re

from msgspec import Struct


class Phrases(Struct, frozen=True, kw_only=True):
    """One language's sentences. `source` takes who, when and session; `document` title and part; `memory` when; `asked` is
    for the reply to a question."""

    no_model: str
    found: str
    nothing: str
    preferences: str
    how: str
    source: str
    document: str
    memory: str
    asked: str
    user: str
    assistant: str
    undated: str


EN = Phrases(
    no_model="No chat model is set, so this is quoted from memory, not written by a model.",
    found="What I find in memory:",
    nothing="I find nothing about that in memory. Your message is stored, so it can be asked about later.",
    preferences="Stored preferences:",
    how="For written answers, set RECOLLECT_LLM_MODEL (and RECOLLECT_LLM_BASE_URL for an endpoint of your own).",
    source="{who}, {when}, session {session}",
    document="“{title}”, {part}",
    memory="remembered, {when}",
    asked="{who} answered: {text}",
    user="user",
    assistant="assistant",
    undated="undated",
)
KO = Phrases(
    no_model="설정된 채팅 모델이 없어서, 모델이 쓴 답이 아니라 기억에서 그대로 인용합니다.",
    found="이전 메시지에서 찾은 내용:",
    nothing="이전 메시지에서 관련된 내용을 찾지 못했습니다. 이 메시지는 저장되었으니 나중에 물어보실 수 있습니다.",
    preferences="저장된 선호 설정:",
    how="모델이 쓰는 답을 받으려면 RECOLLECT_LLM_MODEL을 설정하세요(다른 엔드포인트라면 RECOLLECT_LLM_BASE_URL도).",
    source="{who}, {when}, 세션 {session}",
    document="「{title}」, {part}",
    memory="기억, {when}",
    asked="{who}의 답: {text}",
    user="사용자",
    assistant="어시스턴트",
    undated="날짜 없음",
)
JA = Phrases(
    no_model="チャットモデルが設定されていないため、モデルの回答ではなく、記憶からそのまま引用します。",
    found="以前のメッセージで見つかった内容:",
    nothing="以前のメッセージには該当する内容が見つかりませんでした。このメッセージは保存され、これから質問できます。",
    preferences="保存されている設定:",
    how="モデルの回答には RECOLLECT_LLM_MODEL を設定してください(別のエンドポイントには RECOLLECT_LLM_BASE_URL も)。",
    source="{who}、{when}、セッション {session}",
    document="「{title}」、{part}",
    memory="記憶、{when}",
    asked="{who}の返事: {text}",
    user="ユーザー",
    assistant="アシスタント",
    undated="日付なし",
)
ZH = Phrases(
    no_model="没有设置聊天模型,因此以下是从记忆中原样引用的内容,而不是模型写的回答。",
    found="在以前的消息中找到:",
    nothing="在以前的消息中没有找到相关内容。这条消息已保存,从现在起可以询问它。",
    preferences="已保存的偏好:",
    how="要得到模型写的回答,请设置 RECOLLECT_LLM_MODEL(其他端点还需 RECOLLECT_LLM_BASE_URL)。",
    source="{who},{when},会话 {session}",
    document="《{title}》,{part}",
    memory="记忆,{when}",
    asked="{who}的回答:{text}",
    user="用户",
    assistant="助手",
    undated="无日期",
)

ABOUT_PREFERENCES = re.compile(
    r"\b(prefer\w*|favou?rites?|likes?|settings?)\b|선호|취향|좋아|설정|好み|好き|設定|喜欢|喜歡|偏好|设置|設置",
    re.IGNORECASE,
)

_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_KANA = re.compile(r"[\u3041-\u30ff\uff66-\uff9f]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def phrases_for(text: str) -> Phrases:
    """The sentences in the language of a question, judged by its script; a CJK character weighs as three letters."""
    latin, hangul, kana, han = (len(script.findall(text[:2000])) for script in (_LATIN, _HANGUL, _KANA, _HAN))
    if 3 * (hangul + kana + han) <= latin or not hangul + kana + han:
        return EN
    if hangul >= kana + han:
        return KO
    return JA if kana else ZH
