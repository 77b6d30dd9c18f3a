import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, defaultHighlightStyle, HighlightStyle, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { unifiedMergeView } from '@codemirror/merge'
import { EditorState, type Extension, RangeSetBuilder } from '@codemirror/state'
import { Decoration, EditorView, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import { nonce } from '../../app/nonce'
import { rego } from './languages'

export type Language = 'yaml' | 'rego'

export interface CodeProperties {
  text: string
  language: Language
  /** What it is, for screen readers. */
  label: string
  /** Lines to mark, from 1. The first is scrolled to. */
  marked?: readonly number[]
  /** Makes it an editor. */
  onChange?: (text: string) => void
  /** CSS; it scrolls beyond. */
  maxHeight?: string
}

export interface DiffProperties {
  before: string
  after: string
  language: Language
  label: string
  maxHeight?: string
}

// Colours by the theme's variables, so that they follow light and dark.
const look = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--code-keyword)' },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--code-name)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--code-number)' },
  { tag: tags.comment, color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.standard(tags.name)], color: 'var(--code-function)' },
])

const surface = EditorView.theme({
  '&': {
    fontSize: '12.5px',
    backgroundColor: 'var(--assay-canvas)',
    color: 'var(--mantine-color-text)',
    border: '1px solid var(--assay-line)',
    borderRadius: '6px',
  },
  '&.cm-focused': { outline: '2px solid var(--mantine-primary-color-filled)', outlineOffset: '1px' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.55' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--mantine-color-dimmed)', border: 'none' },
  '.cm-marked': { backgroundColor: 'var(--assay-high-soft)', boxShadow: 'inset 3px 0 0 var(--assay-high)' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection': {
    backgroundColor: 'color-mix(in srgb, var(--mantine-primary-color-filled) 30%, transparent)',
  },
  '&.cm-merge-b .cm-changedLine, .cm-insertedLine, ins.cm-insertedLine': {
    backgroundColor: 'var(--assay-good-soft)',
    textDecoration: 'none',
  },
  '.cm-deletedChunk, del, .cm-deletedLine': { backgroundColor: 'var(--assay-high-soft)', textDecoration: 'none' },
  '&.cm-merge-b .cm-changedText, .cm-deletedText': { background: 'none', fontWeight: '600' },
  '.cm-collapsedLines': { background: 'var(--assay-neutral-soft)', color: 'var(--mantine-color-dimmed)' },
})

function languageOf(language: Language): Extension {
  switch (language) {
    case 'yaml':
      return yaml()
    case 'rego':
      return StreamLanguage.define(rego)
  }
}

function common(language: Language, label: string, maxHeight: string | undefined): Extension[] {
  return [
    EditorView.cspNonce.of(nonce()),
    lineNumbers(),
    languageOf(language),
    syntaxHighlighting(look),
    syntaxHighlighting(defaultHighlightStyle, { fallback: true }),
    surface,
    EditorView.contentAttributes.of({ 'aria-label': label }),
    EditorView.theme({ '.cm-scroller': { overflow: 'auto', maxHeight: maxHeight ?? '60vh' } }),
  ]
}

const readOnly: Extension[] = [
  EditorState.readOnly.of(true),
  EditorView.editable.of(false),
  EditorView.contentAttributes.of({ tabindex: '0', role: 'textbox', 'aria-readonly': 'true', 'aria-multiline': 'true' }),
]

function marks(state: EditorState, lines: readonly number[]): Extension {
  const builder = new RangeSetBuilder<Decoration>()
  for (const n of [...lines].sort((a, b) => a - b)) {
    if (n < 1 || n > state.doc.lines) continue
    const { from } = state.doc.line(n)
    builder.add(from, from, Decoration.line({ class: 'cm-marked', attributes: { 'data-marked': 'true' } }))
  }
  return EditorView.decorations.of(builder.finish())
}

export function Code({ text, language, label, marked, onChange, maxHeight }: CodeProperties) {
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const changed = useRef(onChange)
  useEffect(() => {
    changed.current = onChange
  }, [onChange])
  const edits = onChange !== undefined
  const key = (marked ?? []).join()
  useEffect(() => {
    if (!place.current) return
    const lines = key === '' ? [] : key.split(',').map(Number)
    const basic = EditorState.create({ doc: text })
    const extensions = [
      ...common(language, label, maxHeight),
      marks(basic, lines),
      ...(edits
        ? [
            history(),
            bracketMatching(),
            // Said aloud, as not every checker knows that what can be edited can be focused.
            EditorView.contentAttributes.of({ tabindex: '0' }),
            // Tab indents; Escape, then Tab leaves (WCAG 2.1.2).
            keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
            EditorView.updateListener.of((update) => {
              if (update.docChanged) changed.current?.(update.state.doc.toString())
            }),
          ]
        : readOnly),
    ]
    const made = new EditorView({ parent: place.current, state: EditorState.create({ doc: text, extensions }) })
    const first = lines[0]
    if (first !== undefined && first <= basic.doc.lines)
      made.dispatch({ effects: EditorView.scrollIntoView(basic.doc.line(first).from, { y: 'center' }) })
    view.current = made
    return () => made.destroy()
    // An editor has its own text once it is made; `text` is then what it began with, or what it told itself.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [edits ? undefined : text, language, label, key, edits, maxHeight])
  useEffect(() => {
    const editor = view.current
    if (edits && editor && editor.state.doc.toString() !== text)
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } })
  }, [edits, text])
  return <div ref={place} className="code" />
}

export function Diff({ before, after, language, label, maxHeight }: DiffProperties) {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!place.current) return
    const extensions = [
      ...common(language, label, maxHeight),
      ...readOnly,
      unifiedMergeView({
        original: before,
        mergeControls: false,
        collapseUnchanged: { margin: 3, minSize: 5 },
        highlightChanges: true,
      }),
    ]
    const made = new EditorView({ parent: place.current, state: EditorState.create({ doc: after, extensions }) })
    return () => made.destroy()
  }, [before, after, language, label, maxHeight])
  return <div ref={place} className="code" />
}
