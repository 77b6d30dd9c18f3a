import type { QueryClient } from '@tanstack/react-query'
import { createContext, use, useEffect, useState, useSyncExternalStore } from 'react'
import { isAboutViolations } from './queries'

/** How the stream of changes is: `live`, not yet or not any more, or not to be had. */
export type StreamState = 'connecting' | 'live' | 'away'

export interface Changes {
  state: StreamState
  /** Changes since the page was opened. */
  count: number
}

type Message = { state: StreamState } | { change: true }

// Answers are read again at most this often, however much happens.
const pause = 5000

/**
 * Follows what changes, and has answers about violations read again. One tab of the browser holds the stream and tells the others: a browser
 * opens six connections to a host over HTTP/1.1, which as many tabs would use up.
 */
export class ChangeStream {
  #now: Changes = { state: 'connecting', count: 0 }
  readonly #listeners = new Set<() => void>()
  readonly #queries: QueryClient
  #ended = new AbortController()
  #channel: BroadcastChannel | undefined
  #due: ReturnType<typeof setTimeout> | undefined

  constructor(queries: QueryClient) {
    this.#queries = queries
  }

  /** Begins to follow, until `stop`. */
  start(): void {
    if (typeof EventSource === 'undefined') return
    this.#ended = new AbortController()
    // Web Locks exist in secure contexts only.
    const locks = (navigator as { locks?: LockManager }).locks
    if (!locks || typeof BroadcastChannel === 'undefined') {
      void this.#follow()
      return
    }
    this.#channel = new BroadcastChannel('assay-changes')
    this.#channel.onmessage = (event: MessageEvent<Message | 'how is it?'>) => {
      if (event.data !== 'how is it?') this.#take(event.data)
    }
    this.#channel.postMessage('how is it?')
    locks.request('assay-changes', { signal: this.#ended.signal }, () => this.#follow()).catch(() => undefined)
  }

  stop(): void {
    this.#ended.abort()
    this.#channel?.close()
    clearTimeout(this.#due)
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly current = (): Changes => this.#now

  /** Holds the stream until it is stopped. */
  #follow(): Promise<void> {
    const { signal } = this.#ended
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve()
        return
      }
      const source = new EventSource('/v1/violations/changes')
      const tell = (message: Message) => {
        this.#take(message)
        this.#channel?.postMessage(message)
      }
      source.onopen = () => tell({ state: 'live' })
      // It opens itself again, unless it was refused.
      source.onerror = () => tell({ state: 'away' })
      for (const kind of ['opened', 'changed', 'resolved', 'lost']) source.addEventListener(kind, () => tell({ change: true }))
      if (this.#channel) {
        const channel = this.#channel
        channel.onmessage = (event: MessageEvent) => {
          if (event.data === 'how is it?') channel.postMessage({ state: this.#now.state } satisfies Message)
        }
      }
      signal.addEventListener('abort', () => {
        source.close()
        resolve()
      })
    })
  }

  #take(message: Message): void {
    if ('state' in message) {
      if (this.#now.state === message.state) return
      this.#now = { ...this.#now, state: message.state }
    } else {
      this.#now = { ...this.#now, count: this.#now.count + 1 }
      this.#due ??= setTimeout(() => {
        this.#due = undefined
        void this.#queries.invalidateQueries({ predicate: (query) => isAboutViolations(query) && query.meta?.['keep'] !== true })
      }, pause)
    }
    for (const listener of this.#listeners) listener()
  }
}

const still: Changes = { state: 'connecting', count: 0 }
export const ChangesContext = createContext<ChangeStream | null>(null)

/** The stream's state and how much it has told. */
export function useChanges(): Changes {
  const stream = use(ChangesContext)
  return useSyncExternalStore(stream?.subscribe ?? (() => () => undefined), stream?.current ?? (() => still))
}

/** A stream for as long as the component is there, and its reader may see violations: the hub refuses it to others. */
export function useChangeStream(queries: QueryClient, allowed: boolean): ChangeStream {
  const [stream] = useState(() => new ChangeStream(queries))
  useEffect(() => {
    if (!allowed) return
    stream.start()
    return () => stream.stop()
  }, [stream, allowed])
  return stream
}
