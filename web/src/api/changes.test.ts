import { QueryClient } from '@tanstack/react-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ChangeStream } from './changes'

class FakeSource extends EventTarget {
  static all: FakeSource[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  constructor(readonly url: string) {
    super()
    FakeSource.all.push(this)
  }
  close() {
    this.closed = true
  }
  tell(kind: string) {
    this.dispatchEvent(new Event(kind))
  }
}

// Channels of one page, delivered at once: what is tested is who says what to whom.
class FakeChannel {
  static all: FakeChannel[] = []
  onmessage: ((event: { data: unknown }) => void) | null = null
  constructor(readonly name: string) {
    FakeChannel.all.push(this)
  }
  postMessage(data: unknown) {
    for (const other of [...FakeChannel.all]) if (other !== this && other.name === this.name) other.onmessage?.({ data })
  }
  close() {
    FakeChannel.all = FakeChannel.all.filter((c) => c !== this)
  }
}

// One holder at a time; who waits gets it next, unless they gave up.
class FakeLocks {
  #held = false
  #waiting: { run: () => void; signal: AbortSignal }[] = []
  request(_: string, { signal }: { signal: AbortSignal }, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')))
      const run = () => {
        this.#held = true
        void work().then(() => {
          this.#held = false
          resolve()
          for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
            if (next.signal.aborted) continue
            next.run()
            return
          }
        })
      }
      if (this.#held) this.#waiting.push({ run, signal })
      else run()
    })
  }
}

const started: ChangeStream[] = []
function follow(queries = new QueryClient()): ChangeStream {
  const stream = new ChangeStream(queries)
  started.push(stream)
  stream.start()
  return stream
}
const source = (i: number) => {
  const one = FakeSource.all[i]
  if (!one) throw new Error(`no source ${i}`)
  return one
}

beforeEach(() => {
  vi.useFakeTimers()
  FakeSource.all = []
  FakeChannel.all = []
  vi.stubGlobal('EventSource', FakeSource)
  vi.stubGlobal('BroadcastChannel', FakeChannel)
  Object.defineProperty(navigator, 'locks', { value: new FakeLocks(), configurable: true })
})
afterEach(() => {
  for (const stream of started.splice(0)) stream.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('ChangeStream', () => {
  it('tells its state and counts changes', () => {
    const stream = follow()
    const listener = vi.fn()
    const leave = stream.subscribe(listener)
    expect(stream.current()).toEqual({ state: 'connecting', count: 0 })
    source(0).onopen?.()
    expect(stream.current().state).toBe('live')
    for (const kind of ['opened', 'changed', 'resolved', 'lost', 'else']) source(0).tell(kind)
    expect(stream.current().count).toBe(4)
    source(0).onerror?.()
    source(0).onerror?.()
    expect(stream.current().state).toBe('away')
    expect(listener).toHaveBeenCalledTimes(6)
    leave()
    source(0).onopen?.()
    expect(listener).toHaveBeenCalledTimes(6)
  })

  it('has answers about violations read again, once for many changes, but not those to be kept', () => {
    const queries = new QueryClient()
    const invalidate = vi.spyOn(queries, 'invalidateQueries')
    follow(queries)
    for (let i = 0; i < 50; i++) source(0).tell('changed')
    expect(invalidate).not.toHaveBeenCalled()
    vi.advanceTimersByTime(5000)
    expect(invalidate).toHaveBeenCalledOnce()
    const about = invalidate.mock.calls[0]?.[0]?.predicate as unknown as (query: object) => boolean
    expect(about({ queryKey: ['/v1/facets', {}] })).toBe(true)
    expect(about({ queryKey: ['/v1/facets', {}], meta: { keep: true } })).toBe(false)
    expect(about({ queryKey: ['/v1/policies', {}] })).toBe(false)
    source(0).tell('opened')
    vi.advanceTimersByTime(5000)
    expect(invalidate).toHaveBeenCalledTimes(2)
  })

  it('is held by one tab, which tells the others', () => {
    const leader = follow()
    source(0).onopen?.()
    const queries = new QueryClient()
    const invalidate = vi.spyOn(queries, 'invalidateQueries')
    const follower = follow(queries)
    expect(FakeSource.all).toHaveLength(1)
    // It asked how it is when it began.
    expect(follower.current().state).toBe('live')
    source(0).tell('opened')
    expect(leader.current().count).toBe(1)
    expect(follower.current().count).toBe(1)
    vi.advanceTimersByTime(5000)
    expect(invalidate).toHaveBeenCalledOnce()
    source(0).onerror?.()
    expect(follower.current().state).toBe('away')
  })

  it('goes to another tab when the one that holds it is closed', async () => {
    const leader = follow()
    const second = follow()
    const third = follow()
    leader.stop()
    await vi.advanceTimersByTimeAsync(0)
    expect(source(0).closed).toBe(true)
    expect(FakeSource.all).toHaveLength(2)
    source(1).onopen?.()
    expect(second.current().state).toBe('live')
    expect(third.current().state).toBe('live')
  })

  it('goes past a tab that was closed while it waited', async () => {
    const leader = follow()
    const second = follow()
    follow()
    second.stop()
    leader.stop()
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeSource.all).toHaveLength(2)
    expect(source(1).closed).toBe(false)
  })

  it('does without locks where there are none, and without anything where there is no EventSource', () => {
    Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })
    follow()
    follow()
    expect(FakeSource.all).toHaveLength(2)
    vi.stubGlobal('EventSource', undefined)
    expect(follow().current().state).toBe('connecting')
  })

  it('reads nothing again after it was stopped', () => {
    const queries = new QueryClient()
    const invalidate = vi.spyOn(queries, 'invalidateQueries')
    const stream = follow(queries)
    source(0).tell('opened')
    stream.stop()
    vi.advanceTimersByTime(10_000)
    expect(invalidate).not.toHaveBeenCalled()
  })
})
