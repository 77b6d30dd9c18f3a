import { Button, Group, Stack } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { stringify } from 'yaml'
import { CodeView } from '../../ui/CodeView'
import { Copy } from '../../ui/Copy'

/** An object as YAML, to copy or to download: the hub itself writes nothing. */
export function Written({ object, name, ready }: { object: object; name: string; ready: boolean }) {
  const text = stringify(object, { lineWidth: 0 })
  return (
    <Stack gap="xs">
      <CodeView text={text} language="yaml" label="Policy config in YAML" />
      {ready && (
        <Group gap="xs">
          <Copy text={text} />
          <Button
            component="a"
            variant="default"
            size="compact-xs"
            href={`data:application/yaml;charset=utf-8,${encodeURIComponent(text)}`}
            download={`${name}.policyconfig.yaml`}
            leftSection={<IconDownload size={13} aria-hidden />}
          >
            Download
          </Button>
        </Group>
      )}
    </Stack>
  )
}
