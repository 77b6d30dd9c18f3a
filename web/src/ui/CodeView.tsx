import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { CodeProperties, DiffProperties } from './code/Code'
import type { YamlProperties } from './code/Yaml'

const Code = lazy(() => import('./code/Code').then((m) => ({ default: m.Code })))
const Diff = lazy(() => import('./code/Code').then((m) => ({ default: m.Diff })))

const Yaml = lazy(() => import('./code/Yaml').then((m) => ({ default: m.Yaml })))

/** Code to read or to edit, with its language's colours and marked lines. What draws it is loaded when it is first shown. */
export function CodeView(properties: CodeProperties) {
  return (
    <Suspense fallback={<Skeleton height={160} />}>
      <Code {...properties} />
    </Suspense>
  )
}

/** What changes from one text to another. */
export function DiffView(properties: DiffProperties) {
  return (
    <Suspense fallback={<Skeleton height={160} />}>
      <Diff {...properties} />
    </Suspense>
  )
}

/** A value as the YAML that people write. */
export function YamlView(properties: YamlProperties) {
  return (
    <Suspense fallback={<Skeleton height={160} />}>
      <Yaml {...properties} />
    </Suspense>
  )
}
