/** `vetro image`: declares its options and hands them to the actions. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { IMAGE_FORMATS, type ImageFormat } from '../storage/block-store.ts';
import { refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import {
  checkImage,
  convertImage,
  createImage,
  showImage,
  WRITTEN_FORMATS,
  type WrittenFormat,
} from './image-actions.ts';

export interface ImageArguments {
  action: (typeof ACTIONS)[number];
  file: string;
  target?: string;
  size?: string;
  format?: WrittenFormat;
  from?: ImageFormat;
  backing?: string;
  'backing-format'?: ImageFormat;
  overwrite: boolean;
}

const ACTIONS = ['info', 'create', 'convert', 'check'] as const;

/** Which options are for which actions. */
const OPTIONS_OF: Readonly<Record<ImageArguments['action'], readonly string[]>> = {
  info: ['from'],
  create: ['size', 'format', 'backing', 'backing-format', 'overwrite'],
  convert: ['target', 'format', 'from', 'overwrite'],
  check: ['from'],
};

const EPILOGUE = `Formats: raw and qcow2 are read and written; vmdk (one file), vdi and vhd are read. A CD image is raw.
An image is what its content says, unless --from says otherwise. With --backing, the new image holds
what is written to it, and shows the backing file where nothing was; a relative name begins in the
new image's folder.

Exit status:
  0  done; for check: no fault was found
  1  check found faults, or an internal error
  2  a wrong option or an unusable file: one line on standard error says what`;

export const imageCommand = (context: CommandContext): CommandModule<object, ImageArguments> => ({
  command: 'image <action> <file> [target]',
  describe: 'Show, create, convert or check a disk image',
  builder: (args) =>
    args
      .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what is done' })
      .positional('file', { type: 'string', demandOption: true, describe: 'the image' })
      .positional('target', { type: 'string', describe: 'convert: the image that is made' })
      .option('size', { type: 'string', requiresArg: true, describe: 'create: size of the disk, as in 10G' })
      .option('format', {
        choices: WRITTEN_FORMATS,
        describe: 'create, convert: format of the new image (default: raw if it is called .img or .raw, else qcow2)',
      })
      .option('from', { choices: IMAGE_FORMATS, describe: 'format of an image that is read (default: by content)' })
      .option('backing', { type: 'string', requiresArg: true, describe: 'create: image under the new one (qcow2)' })
      .option('backing-format', { choices: IMAGE_FORMATS, describe: 'create: its format (default: by content)' })
      .option('overwrite', { type: 'boolean', default: false, describe: 'create, convert: replace what is there' })
      .example('$0 image info disk.vmdk', 'what it is, and what is on it')
      .example('$0 image create disk.qcow2 --size 10G', 'an empty disk')
      .example('$0 image create try.qcow2 --backing disk.qcow2', 'a disk on top of another, which stays as it is')
      .example('$0 image convert disk.vmdk disk.qcow2', 'formats are told by content and name')
      .example('$0 image check disk.qcow2', 'whether a qcow2 image is sound')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    const { action, file } = options;
    refuseEmpty(options, ['size', 'backing']);
    for (const name of ['target', 'size', 'format', 'from', 'backing', 'backing-format', 'overwrite'] as const) {
      if (!options[name] || OPTIONS_OF[action].includes(name)) continue;
      throw new UserError(`vetro image ${action} takes no ${name === 'target' ? 'second file' : `--${name}`}`);
    }
    switch (action) {
      case 'info':
        process.stdout.write(`${await showImage(file, options)}\n`);
        return;
      case 'create':
        return createImage(file, options);
      case 'convert':
        if (options.target === undefined) throw new UserError('vetro image convert needs two files: FILE TARGET');
        return convertImage(file, options.target, { ...options, stop: context.stop });
      case 'check': {
        const { lines, sound } = await checkImage(file, options);
        process.stdout.write(`${lines.join('\n')}\n`);
        context.status = sound ? 0 : 1;
      }
    }
  },
});
