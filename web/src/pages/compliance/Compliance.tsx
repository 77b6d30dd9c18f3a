import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/compliance')({ component: CompliancePage })

function CompliancePage() {
  return <Page title="Compliance">…</Page>
}
