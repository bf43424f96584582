/** Line icons on a grid of 16, drawn with a stroke of 1.5. */
export const icons = {
  chevron: 'M6 4l4 4-4 4',
  folder:
    'M1.8 4.2c0-.7.5-1.2 1.2-1.2h3l1.4 1.6H13c.7 0 1.2.5 1.2 1.2v6c0 .7-.5 1.2-1.2 1.2H3c-.7 0-1.2-.5-1.2-1.2z',
  file: 'M3.8 2h5l3.4 3.4V14H3.8zM8.6 2v3.6h3.6',
  symlink: 'M3.8 2h5l3.4 3.4V14H3.8zM6 11V9.3c0-.9.6-1.5 1.5-1.5H10M8.7 6.4 10.2 7.8 8.7 9.3',
  device: 'M4 4h8v8H4zM6.5 1.5V4M9.5 1.5V4M6.5 12v2.5M9.5 12v2.5M1.5 6.5H4M1.5 9.5H4M12 6.5h2.5M12 9.5h2.5',
  fifo: 'M1.5 8h3M11.5 8h3M4.5 5.5h7v5h-7z',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  cross: 'M4 4l8 8M12 4l-8 8',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  play: 'M5 3.2v9.6L12.6 8z',
  stop: 'M4.2 4.2h7.6v7.6H4.2z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  bolt: 'M9 1.8 3.8 9H8l-1 5.2L12.2 7H8z',
  trash: 'M2.8 4.2h10.4M6 4V2.5h4V4M4.2 4.4l.6 9.1h6.4l.6-9.1M6.8 7v4M9.2 7v4',
  down: 'M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M2.8 13.5h10.4',
  up: 'M8 11V3M4.8 6.2 8 3l3.2 3.2M2.8 13.5h10.4',
  search: 'M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4zM10.2 10.2l3.3 3.3',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9',
  moon: 'M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z',
  auto: 'M8 2.2a5.8 5.8 0 1 0 0 11.6zM8 2.2a5.8 5.8 0 0 1 0 11.6',
  terminal: 'M2 3h12v10H2zM4.6 6l2 2-2 2M8.2 10.2h3',
  layers: 'M8 2 14.2 5.4 8 8.8 1.8 5.4zM1.8 8.4 8 11.8l6.2-3.4M1.8 11.2 8 14.6l6.2-3.4',
  warn: 'M8 2.2 14.4 13.4H1.6zM8 6.4v3.4M8 11.6h.01',
  commit: 'M8 5.4a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2zM8 1.5v3.9M8 10.6v3.9',
  again: 'M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3',
  tag: 'M2.5 2.5h5.2l6 6-5.2 5.2-6-6zM5.2 5.2h.01',
  edit: 'M2.8 13.2l.7-3 7.3-7.3 2.3 2.3-7.3 7.3zM9.4 4.3l2.3 2.3',
  back: 'M9.5 3.5 5 8l4.5 4.5',
} as const;

export type IconName = keyof typeof icons;

/** The marks of meanings, on a grid of 14. */
export const glyphs = {
  added: 'M7 3v8M3 7h8',
  changed: 'M2.8 8.2c1.2-2 2.9-2 4.2-1.2s3 .8 4.2-1.2',
  deleted: 'M3 7h8',
  hidden: 'M1.8 7S3.6 3.9 7 3.9 12.2 7 12.2 7 10.4 10.1 7 10.1 1.8 7 1.8 7zM3.2 11.6l7.6-9.2',
  shared: 'M2.8 5.2h5.4v5.4H2.8zM5.8 5.2V2.8h5.4v5.4H8.2',
} as const;

export type Glyph = keyof typeof glyphs;
