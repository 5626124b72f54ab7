"""The formats by name."""

from labelmend_datasets.formats._format import AnnotationFormat
from labelmend_datasets.formats.coco import COCO
from labelmend_datasets.formats.coco_image import COCO_IMAGE
from labelmend_datasets.formats.csv_long import CSV
from labelmend_datasets.formats.csv_wide import CSV_WIDE
from labelmend_datasets.formats.cvat import CVAT
from labelmend_datasets.formats.hugging_face import HUGGING_FACE
from labelmend_datasets.formats.hugging_face_parquet import HUGGING_FACE_PARQUET
from labelmend_datasets.formats.image_folder import IMAGE_FOLDER
from labelmend_datasets.formats.label_studio import LABEL_STUDIO
from labelmend_datasets.formats.nus_wide import NUS_WIDE
from labelmend_datasets.formats.open_images import OPEN_IMAGES
from labelmend_datasets.formats.parquet_long import PARQUET
from labelmend_datasets.formats.parquet_wide import PARQUET_WIDE
from labelmend_datasets.formats.splc_list import LIST
from labelmend_datasets.formats.vg500 import VG500
from labelmend_datasets.formats.voc import VOC
from labelmend_datasets.formats.yolo import YOLO

FORMATS: dict[str, AnnotationFormat] = {
    one.name: one
    for one in (
        *(LIST, CSV, CSV_WIDE, PARQUET, PARQUET_WIDE),
        *(COCO, COCO_IMAGE, VOC, YOLO),
        *(OPEN_IMAGES, NUS_WIDE, VG500, IMAGE_FOLDER),
        *(LABEL_STUDIO, CVAT, HUGGING_FACE, HUGGING_FACE_PARQUET),
    )
}
