import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/policy-sets')({ component: SetsPage })

function SetsPage() {
  return <Page title="Policy sets">…</Page>
}
