import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/compliance/report')({ component: EvidencePage })

function EvidencePage() {
  return <Page title="Evidence">…</Page>
}
