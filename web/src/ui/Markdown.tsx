import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'

const Rendered = lazy(() => import('./markdown/Rendered').then((m) => ({ default: m.Rendered })))

/** Markdown of a policy. HTML in it is shown as text and images are not loaded: who writes policies does not write this page. */
export function Markdown({ text }: { text: string }) {
  return (
    <Suspense fallback={<Skeleton height={60} />}>
      <Rendered text={text} />
    </Suspense>
  )
}
