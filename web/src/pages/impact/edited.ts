import { isCollection, isNode, LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { Schemas } from '../../api/client'
import { steps } from '../violation/manifest'
import type { Manifest } from './policy'

/** Something that is wrong with what is in the editor. */
export interface Mistake {
  message: string
  /** From 1; undefined when it is not known where. */
  line: number | undefined
}

export interface Edited {
  objects: Manifest[]
  mistakes: Mistake[]
}

function documents(text: string) {
  const lines = new LineCounter()
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  // An empty stream is no array of documents but says itself that it is empty.
  return { lines, found: Array.isArray(parsed) ? (parsed as Document.Parsed[]) : [] }
}

/** The objects of a text in YAML, or why there are none. */
export function edited(text: string): Edited {
  const { lines, found } = documents(text)
  const objects: Manifest[] = []
  const mistakes: Mistake[] = []
  for (const document of found) {
    for (const error of document.errors) mistakes.push({ message: error.message, line: lines.linePos(error.pos[0]).line })
    if (document.errors.length > 0) continue
    const value: unknown = document.toJS()
    if (value === null || value === undefined) continue
    if (typeof value === 'object' && !Array.isArray(value)) objects.push(value as Manifest)
    else mistakes.push({ message: 'This is no object of Kubernetes.', line: lines.linePos(document.range[0]).line })
  }
  if (objects.length === 0 && mistakes.length === 0) mistakes.push({ message: 'There is nothing to ask about.', line: undefined })
  return { objects, mistakes }
}

/**
 * The errors of an impact that are about the objects in the editor, and the rest. The hub says "Policy NAME: spec.code: why", and the path leads to
 * the line.
 */
export function mistakesOf(
  text: string,
  errors: Schemas['ListError'][],
): { mistakes: Mistake[]; others: Schemas['ListError'][] } {
  const { lines, found } = documents(text)
  const mistakes: Mistake[] = []
  const others: Schemas['ListError'][] = []
  for (const error of errors) {
    const about = found.find((document) => {
      const kind = document.get('kind')
      const name = document.getIn(['metadata', 'name'])
      return typeof kind === 'string' && typeof name === 'string' && error.message.startsWith(`${kind} ${name}: `)
    })
    if (!about) {
      others.push(error)
      continue
    }
    const message = error.message.slice(error.message.indexOf(': ') + 2)
    const path = /^(?:unknown field )?((?:spec|metadata)[^\s:]*)/.exec(message)?.[1]
    const at = path === undefined ? undefined : offset(about, steps(path) ?? [])
    mistakes.push({ message, line: at === undefined ? undefined : lines.linePos(at).line })
  }
  return { mistakes, others }
}

/** Where a path begins in the text: its key where it is in a map, or that of what is above it when it is missing. */
function offset(document: Document.Parsed, path: (string | number)[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const above: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    if (!isCollection(above)) continue
    for (const [i, item] of above.items.entries()) {
      const key: unknown = typeof item === 'object' && item !== null && 'key' in item ? item.key : item
      const isIt = isNode(key) && 'value' in key && key !== item ? key.value === path[length - 1] : i === path[length - 1]
      if (isIt && isNode(key) && key.range) return key.range[0]
    }
  }
  return undefined
}
