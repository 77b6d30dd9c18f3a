import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/policies/$name')({ component: PolicyPage })

function PolicyPage() {
  return <Page title="Policy">…</Page>
}
