import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, stringify } from 'yaml'
import type { Schemas } from '../../api/client'

type Occurrence = Schemas['Occurrence']
type Step = string | number

/** An object as YAML, with the lines that occurrences are about, and as it would be with the recommended values. */
export interface Manifest {
  text: string
  /** From 1, without those that are not known. */
  lines: number[]
  /** Undefined when no occurrence recommends a value at a place that can be found. */
  suggested: string | undefined
}

/** The steps of a path such as spec.containers[0].image or metadata.annotations["a.b/c"]; undefined when it is none. */
export function steps(path: string): Step[] | undefined {
  const found: Step[] = []
  const step = /\.?([^.[\]"']+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['([^']*)'\]/y
  let at = 0
  while (at < path.length) {
    step.lastIndex = at
    const match = step.exec(path)
    if (!match) return undefined
    at = step.lastIndex
    if (match[2] !== undefined) found.push(Number(match[2]))
    else found.push(match[1] ?? match[3] ?? match[4] ?? '')
  }
  return found.length > 0 ? found : undefined
}

/** The node at a path, or the nearest above it that there is. */
function nearest(document: Document.Parsed, path: Step[]): Node | null {
  let node: Node | null = document.contents
  // A map begins at its first field, which is not what a path that leads to another is about: its own name is.
  let above: Node | null = node
  for (const step of path) {
    let next: Node | null | undefined
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((item) => isScalar(item.key) && item.key.value === step)
      // The key is where a person looks, also when the value begins a line later.
      next = pair?.key as Node | undefined
      const value = pair?.value as Node | null | undefined
      if (step === path.at(-1) || value == null) return next ?? above
      node = value
      above = next ?? above
    } else if (isSeq(node) && typeof step === 'number') {
      next = node.items[step] as Node | undefined
      if (!next) return above
      node = next
      above = next
    } else {
      return node
    }
  }
  return node
}

export function manifestOf(object: Record<string, unknown>, occurrences: readonly Occurrence[]): Manifest {
  const text = stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  const lines = new Set<number>()
  const copy = parseDocument(text)
  let changed = false
  for (const occurrence of occurrences) {
    const path = occurrence.violating_key ? steps(occurrence.violating_key) : undefined
    if (!path) continue
    const range = nearest(document, path)?.range
    if (range) lines.add(counter.linePos(range[0]).line)
    if (occurrence.recommended_value === undefined || occurrence.recommended_value === null) continue
    try {
      copy.setIn(path, copy.createNode(occurrence.recommended_value))
      changed = true
    } catch {
      // The path leads through something that is no map: nothing can be suggested.
    }
  }
  return { text, lines: [...lines].sort((a, b) => a - b), suggested: changed ? copy.toString({ lineWidth: 0 }) : undefined }
}
