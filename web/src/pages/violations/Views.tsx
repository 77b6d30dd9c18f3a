import { ActionIcon, Button, Group, Menu, Modal, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconBookmark, IconChevronDown, IconTrash } from '@tabler/icons-react'
import { type SyntheticEvent, useState } from 'react'
import type { ViolationsSearch } from '../../app/router'
import { useViews, usual } from './views'

/** Saved views: choose, save, remove. */
export function Views({ search, change }: { search: ViolationsSearch; change: (search: ViolationsSearch) => void }) {
  const { views, save, remove } = useViews()
  const [opened, { open, close }] = useDisclosure()
  const [name, setName] = useState('')
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    save({ name: name.trim(), search })
    setName('')
    close()
  }
  return (
    <>
      <Menu position="bottom-end" width={300}>
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<IconBookmark size={15} aria-hidden />}
            rightSection={<IconChevronDown size={14} aria-hidden />}
          >
            Views
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {usual.map((view) => (
            <Menu.Item key={view.name} onClick={() => change(view.search)}>
              {view.name}
            </Menu.Item>
          ))}
          {views.length > 0 && (
            <>
              <Menu.Divider />
              <Menu.Label>Saved in this browser</Menu.Label>
              {views.map((view) => (
                <Group key={view.name} wrap="nowrap" gap={2}>
                  <Menu.Item onClick={() => change(view.search)}>{view.name}</Menu.Item>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove the view ${view.name}`}
                    onClick={() => remove(view.name)}
                  >
                    <IconTrash size={14} />
                  </ActionIcon>
                </Group>
              ))}
            </>
          )}
          <Menu.Divider />
          <Menu.Item onClick={open}>Save what is shown…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={opened} onClose={close} title="Save this view" closeButtonProps={{ 'aria-label': 'Close' }}>
        <form onSubmit={submit}>
          <Text size="sm" mb="sm">
            It is kept in this browser. To share it, send the page’s address: it has all filters in it.
          </Text>
          <TextInput
            label="Name"
            required
            maxLength={60}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <Group justify="flex-end" mt="md">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={name.trim() === ''}>
              Save
            </Button>
          </Group>
        </form>
      </Modal>
    </>
  )
}
