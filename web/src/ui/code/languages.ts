import type { StreamParser, StringStream } from '@codemirror/language'

interface Within {
  /** The raw string that the line before began, if any. */
  raw: boolean
}

function parser(keywords: RegExp, comment: string): StreamParser<Within> {
  return {
    startState: () => ({ raw: false }),
    token(stream: StringStream, within: Within) {
      if (within.raw) {
        while (!stream.eol()) {
          if (stream.next() === '`') {
            within.raw = false
            break
          }
        }
        return 'string'
      }
      if (stream.eatSpace()) return null
      if (stream.match(comment)) {
        stream.skipToEnd()
        return 'comment'
      }
      if (stream.eat('`')) {
        while (!stream.eol()) if (stream.next() === '`') return 'string'
        within.raw = true
        return 'string'
      }
      if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^'\\]|\\.)*'?/)) return 'string'
      if (stream.match(/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/)) return 'number'
      if (stream.match(/^(?:true|false|null)\b/)) return 'atom'
      if (stream.match(keywords)) return 'keyword'
      if (stream.match(/^[A-Za-z_][\w.]*(?=\()/)) return 'variableName.function'
      if (stream.match(/^[A-Za-z_]\w*/)) return 'variableName'
      stream.next()
      return null
    },
    languageData: { commentTokens: { line: comment } },
  }
}

/** Rego, for its colours only. */
export const rego = parser(/^(?:package|import|default|some|every|in|if|contains|not|as|else|with)\b/, '#')
