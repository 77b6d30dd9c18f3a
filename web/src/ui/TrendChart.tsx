import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { TrendProperties } from './charts/Trend'

const Trend = lazy(() => import('./charts/Trend').then((m) => ({ default: m.Trend })))

/** Counts by day as lines or areas, with the same as a table for screen readers. The chart library is loaded when it is first shown. */
export function TrendChart(properties: TrendProperties) {
  const height = properties.height ?? 200
  return (
    <Suspense fallback={<Skeleton height={height} />}>
      <Trend {...properties} />
    </Suspense>
  )
}
