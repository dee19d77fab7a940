"""The messages of a request to Gemini.

Source: `GenerateContentRequest` and what it refers to, in the discovery document of Vertex AI's API `v1`; the
mode `VALIDATED` of function calling, which its guide has and that document has not; and, for embeddings, the
guide to batch embeddings.
"""

from __future__ import annotations

from .proto_json import (
    Check,
    Message,
    anything,
    boolean,
    data,
    enum,
    int32,
    int64,
    later,
    mapping,
    number,
    repeated,
    string,
    struct,
)

BLOB = Message({"mimeType": string, "data": data, "displayName": string})
FILE_DATA = Message({"mimeType": string, "fileUri": string, "displayName": string})
FUNCTION_CALL = Message(
    {"name": string, "args": struct, "partialArgs": repeated(struct), "willContinue": boolean}
)
FUNCTION_RESPONSE = Message(
    {
        "name": string,
        "response": struct,
        "parts": repeated(Message({"inlineData": BLOB, "fileData": FILE_DATA})),
    }
)
OUTCOMES = ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")
DATA_OF_PART: dict[str, Check] = {
    "text": string,
    "inlineData": BLOB,
    "fileData": FILE_DATA,
    "functionCall": FUNCTION_CALL,
    "functionResponse": FUNCTION_RESPONSE,
    "executableCode": Message({"language": enum("LANGUAGE_UNSPECIFIED", "PYTHON"), "code": string}),
    "codeExecutionResult": Message({"outcome": enum(*OUTCOMES), "output": string}),
}
"""of which a part has exactly one"""
RESOLUTIONS = tuple(f"MEDIA_RESOLUTION_{level}" for level in ("UNSPECIFIED", "LOW", "MEDIUM", "HIGH"))
PART = Message(
    {
        **DATA_OF_PART,
        "thought": boolean,
        "thoughtSignature": data,
        "videoMetadata": Message({"startOffset": string, "endOffset": string, "fps": number}),
        "mediaResolution": Message({"level": enum(*RESOLUTIONS)}),
    }
)
CONTENT = Message({"role": string, "parts": repeated(PART)})

TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
SCHEMA: Message = Message(
    {
        "type": enum(*TYPES),
        "format": string,
        "title": string,
        "description": string,
        "nullable": boolean,
        "default": anything,
        "items": later(lambda: SCHEMA),
        "minItems": int64,
        "maxItems": int64,
        "enum": repeated(string),
        "properties": mapping(later(lambda: SCHEMA)),
        "propertyOrdering": repeated(string),
        "required": repeated(string),
        "minProperties": int64,
        "maxProperties": int64,
        "minimum": number,
        "maximum": number,
        "minLength": int64,
        "maxLength": int64,
        "pattern": string,
        "example": anything,
        "anyOf": repeated(later(lambda: SCHEMA)),
        "additionalProperties": anything,
        "ref": string,
        "defs": mapping(later(lambda: SCHEMA)),
    }
)
THINKING_LEVELS = ("THINKING_LEVEL_UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "MINIMAL")
GENERATION_CONFIG = Message(
    {
        "temperature": number,
        "topP": number,
        "topK": number,
        "candidateCount": int32,
        "maxOutputTokens": int32,
        "stopSequences": repeated(string),
        "responseLogprobs": boolean,
        "logprobs": int32,
        "presencePenalty": number,
        "frequencyPenalty": number,
        "seed": int32,
        "responseMimeType": string,
        "responseSchema": SCHEMA,
        "responseJsonSchema": anything,
        "responseModalities": repeated(enum("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO")),
        "routingConfig": struct,
        "audioTimestamp": boolean,
        "mediaResolution": enum(*RESOLUTIONS),
        "speechConfig": struct,
        "enableAffectiveDialog": boolean,
        "imageConfig": struct,
        "thinkingConfig": Message(
            {"includeThoughts": boolean, "thinkingBudget": int32, "thinkingLevel": enum(*THINKING_LEVELS)}
        ),
    }
)
FUNCTION_DECLARATION = Message(
    {
        "name": string,
        "description": string,
        "parameters": SCHEMA,
        "parametersJsonSchema": anything,
        "response": SCHEMA,
        "responseJsonSchema": anything,
    }
)
TOOL = Message(
    {
        "functionDeclarations": repeated(FUNCTION_DECLARATION),
        "retrieval": struct,
        "googleSearch": struct,
        "googleSearchRetrieval": struct,
        "googleMaps": struct,
        "enterpriseWebSearch": struct,
        "parallelAiSearch": struct,
        "codeExecution": struct,
        "urlContext": struct,
        "computerUse": struct,
    }
)
TOOL_CONFIG = Message(
    {
        "functionCallingConfig": Message(
            {
                "mode": enum("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"),
                "allowedFunctionNames": repeated(string),
                "streamFunctionCallArguments": boolean,
            }
        ),
        "retrievalConfig": struct,
    }
)
HARMS = (
    "UNSPECIFIED",
    "HATE_SPEECH",
    "DANGEROUS_CONTENT",
    "HARASSMENT",
    "SEXUALLY_EXPLICIT",
    "CIVIC_INTEGRITY",
    "IMAGE_HATE",
    "IMAGE_DANGEROUS_CONTENT",
    "IMAGE_HARASSMENT",
    "IMAGE_SEXUALLY_EXPLICIT",
    "JAILBREAK",
)
THRESHOLDS = (
    "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
)
SAFETY_SETTING = Message(
    {
        "category": enum(*(f"HARM_CATEGORY_{harm}" for harm in HARMS)),
        "threshold": enum(*THRESHOLDS),
        "method": enum("HARM_BLOCK_METHOD_UNSPECIFIED", "SEVERITY", "PROBABILITY"),
    }
)
GENERATE_CONTENT = Message(
    {
        "contents": repeated(CONTENT),
        "systemInstruction": CONTENT,
        "cachedContent": string,
        "tools": repeated(TOOL),
        "toolConfig": TOOL_CONFIG,
        "labels": mapping(string),
        "safetySettings": repeated(SAFETY_SETTING),
        "modelArmorConfig": struct,
        "generationConfig": GENERATION_CONFIG,
    }
)
TASKS = (
    "UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)
EMBED_CONTENT_CONFIG = Message(
    {
        "taskType": enum(*TASKS),
        "title": string,
        "outputDimensionality": int32,
        "autoTruncate": boolean,
        "documentOcr": boolean,
        "audioTrackExtraction": boolean,
    }
)
EMBED_CONTENT = Message(
    {
        "content": CONTENT,
        "embedContentConfig": EMBED_CONTENT_CONFIG,
        "taskType": enum(*TASKS),
        "title": string,
        "outputDimensionality": int32,
        "autoTruncate": boolean,
    }
)
