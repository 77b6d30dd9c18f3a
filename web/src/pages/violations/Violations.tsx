import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/violations')({ component: ViolationsPage })

function ViolationsPage() {
  return <Page title="Violations">…</Page>
}
